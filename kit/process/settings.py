"""The settings that all gRPC services share. Each service's own settings contain one."""

from dataclasses import dataclass, field

import aiohttp

from kit.auth.jwks import KeySource
from kit.auth.sessions import Verifier
from kit.auth.tokens import AUDIENCE
from kit.cache import redis_settings
from kit.net.tls import PLAIN, TLS
from kit.rpc.limits import DEFAULTS, Limits
from kit.rpc.server import CONNECTION_AGE
from kit.values.env import Env


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The settings for verifying sessions."""

    supabase_url: str
    service_role_key: str = field(repr=False)
    jwt_secret: str | None = field(repr=False)
    issuer: str | None = None
    audience: str = AUDIENCE

    @classmethod
    def read(cls, env: Env) -> "SessionSettings":
        return cls(
            supabase_url=env.url(
                "SUPABASE_URL", "URL of the Supabase project whose Auth issues the sessions."
            ),
            service_role_key=env.text(
                "SUPABASE_SERVICE_ROLE_KEY",
                "Supabase service role key, which the system's own services use to"
                " authenticate to each other.",
                secret=True,
            ),
            jwt_secret=env.optional(
                "SUPABASE_JWT_SECRET",
                "Accept sessions signed with HS256 under this secret. By default, HS256 is"
                " not accepted.",
                secret=True,
            ),
            issuer=env.optional(
                "SUPABASE_JWT_ISSUER",
                "Expected `iss` claim of access tokens. By default SUPABASE_URL followed by"
                " /auth/v1; a self-hosted Supabase that is reached at an internal URL issues"
                " tokens with its public one.",
            ),
            audience=env.text(
                "SUPABASE_JWT_AUDIENCE", "Expected `aud` claim of access tokens.", AUDIENCE
            ),
        )

    def verifier(self, http: aiohttp.ClientSession, api_keys: KeySource | None = None) -> Verifier:
        """Create a verifier, which fetches Supabase's signing keys through `http`.

        With `api_keys`, where their issuer's keys are, it trusts the tokens of API keys too.
        """
        return Verifier(
            supabase_url=self.supabase_url,
            service_role_key=self.service_role_key,
            jwt_secret=self.jwt_secret,
            issuer=self.issuer,
            audience=self.audience,
            api_keys=api_keys,
            http=http,
        )

    def secrets(self) -> list[str]:
        """Return the values that no log line may contain."""
        return [self.service_role_key, self.jwt_secret or ""]


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Where a service listens, where its database is, and how it verifies and limits callers."""

    host: str
    port: int
    database_url: str = field(repr=False)
    sessions: SessionSettings
    redis_url: str | None = field(repr=False)
    drain_seconds: float
    tls: TLS = PLAIN
    connection_age: float = CONNECTION_AGE
    pooled: bool = False
    listen_database_url: str | None = field(default=None, repr=False)
    limits: Limits = DEFAULTS

    @property
    def listen_url(self) -> str:
        """The PostgreSQL URL for LISTEN."""
        return self.listen_database_url or self.database_url

    @classmethod
    def read(cls, env: Env, name: str, port: int) -> "ServiceSettings":
        """Read the settings of the service `name`, whose variables start with its upper-case name."""
        upper = name.upper()
        pooled = read_pooled(env)
        listening = f"{upper}_LISTEN_DATABASE_URL"
        listen_url = (
            env.url(
                listening,
                "Direct PostgreSQL URL, needed if the other URL is that of a pooler:"
                " LISTEN/NOTIFY requires a dedicated session.",
                "",
                schemes=("postgresql", "postgres"),
                secret=True,
            )
            or None
        )
        if pooled and listen_url is None:
            env.problems.append(
                f"DATABASE_POOLER=transaction does not support LISTEN/NOTIFY: set {listening} to"
                " PostgreSQL directly, or to the pooler in session mode"
            )
        return cls(
            host=env.text(f"{upper}_HOST", "Address to listen on.", "127.0.0.1"),
            port=env.port(f"{upper}_PORT", "gRPC port; 0 lets the operating system choose.", port),
            database_url=env.url(
                f"{upper}_DATABASE_URL",
                f"PostgreSQL URL with the login {name}_service.",
                schemes=("postgresql", "postgres"),
                secret=True,
            ),
            sessions=SessionSettings.read(env),
            redis_url=redis_settings.read(env),
            drain_seconds=read_drain_seconds(env),
            tls=TLS.read(env),
            connection_age=env.number(
                "GRPC_MAX_CONNECTION_AGE_SECONDS",
                "Maximum age of a caller's connection, in seconds, so that callers that"
                " balance over a DNS name find new replicas.",
                CONNECTION_AGE,
                low=1,
                high=86400,
            ),
            pooled=pooled,
            listen_database_url=listen_url,
            limits=Limits.read(env),
        )

    def secrets(self) -> list[str]:
        """Return the values that no log line may contain."""
        return [
            self.database_url,
            self.listen_database_url or "",
            self.redis_url or "",
            *self.sessions.secrets(),
        ]


def read_pooled(env: Env) -> bool:
    """True if the database URL is that of a pooler in transaction mode."""
    pooler = env.choice(
        "DATABASE_POOLER",
        "transaction if the database URL is that of PgBouncer in transaction mode, or of"
        " Supabase's pooler on port 6543; none if it is that of PostgreSQL or of a pooler in"
        " session mode.",
        "none",
        ("none", "transaction"),
    )
    return pooler == "transaction"


def read_drain_seconds(env: Env) -> float:
    """Return how long a stopping process still accepts calls, in seconds."""
    return env.number(
        "DRAIN_SECONDS",
        "How long a stopping service reports NOT_SERVING before it refuses new calls, in seconds.",
        0.5,
        low=0,
        high=60,
    )
