"""The settings that every gRPC service has; each service's own settings hold one of these."""

from dataclasses import dataclass, field

import aiohttp

from kit import redis_settings
from kit.auth import Verifier
from kit.env import Env
from kit.rpc import CONNECTION_AGE
from kit.rpc_limits import DEFAULTS, Limits
from kit.tls import PLAIN, TLS
from kit.tokens import AUDIENCE


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What is needed to verify sessions."""

    supabase_url: str
    service_role_key: str = field(repr=False)
    jwt_secret: str | None = field(repr=False)
    issuer: str | None = None
    audience: str = AUDIENCE

    @classmethod
    def read(cls, env: Env) -> "SessionSettings":
        return cls(
            supabase_url=env.url(
                "SUPABASE_URL", "The Supabase project's address; its Auth issues the sessions."
            ),
            service_role_key=env.text(
                "SUPABASE_SERVICE_ROLE_KEY",
                "The key that the platform's own services present to one another.",
                secret=True,
            ),
            jwt_secret=env.optional(
                "SUPABASE_JWT_SECRET",
                "Accepts sessions signed with HS256 under this secret; without it none are.",
                secret=True,
            ),
            issuer=env.optional(
                "SUPABASE_JWT_ISSUER",
                "The `iss` of access tokens, where it isn't SUPABASE_URL followed by /auth/v1: a"
                " self-hosted Supabase that is reached at an internal address names its public one.",
            ),
            audience=env.text("SUPABASE_JWT_AUDIENCE", "The `aud` of access tokens.", AUDIENCE),
        )

    def verifier(self, http: aiohttp.ClientSession) -> Verifier:
        """Return what verifies the sessions; `http` fetches the signing keys."""
        return Verifier(
            supabase_url=self.supabase_url,
            service_role_key=self.service_role_key,
            jwt_secret=self.jwt_secret,
            issuer=self.issuer,
            audience=self.audience,
            http=http,
        )

    def secrets(self) -> list[str]:
        """Values that no log line may hold."""
        return [self.service_role_key, self.jwt_secret or ""]


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Where a service listens, where its tables are, and how it knows callers."""

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
    def notices_url(self) -> str:
        """PostgreSQL for whoever listens to its notices."""
        return self.listen_database_url or self.database_url

    @classmethod
    def read(cls, env: Env, name: str, port: int, *, listens: bool) -> "ServiceSettings":
        """Reads them for the service `name`, whose variables start with its upper-case name.

        `listens` is for a service that hears PostgreSQL's notices.
        """
        upper = name.upper()
        pooled = read_pooled(env)
        listening = f"{upper}_LISTEN_DATABASE_URL"
        listen_url = (
            env.url(
                listening,
                "PostgreSQL itself, where the other address is a pooler's: notices need a connection of"
                " their own.",
                "",
                schemes=("postgresql", "postgres"),
                secret=True,
            )
            or None
            if listens
            else None
        )
        if listens and pooled and listen_url is None:
            env.problems.append(
                f"DATABASE_POOLER=transaction loses notices: set {listening} to PostgreSQL itself, or to"
                " the pooler in session mode"
            )
        return cls(
            host=env.text(f"{upper}_HOST", "The address to listen on.", "127.0.0.1"),
            port=env.port(f"{upper}_PORT", "The gRPC port; 0 lets the system choose.", port),
            database_url=env.url(
                f"{upper}_DATABASE_URL",
                f"PostgreSQL, as the login {name}_service.",
                schemes=("postgresql", "postgres"),
                secret=True,
            ),
            sessions=SessionSettings.read(env),
            redis_url=redis_settings.read(env),
            drain_seconds=env.number(
                "DRAIN_SECONDS",
                "How long a stopping service says NOT_SERVING before it refuses new calls.",
                0.5,
                low=0,
                high=60,
            ),
            tls=TLS.read(env),
            connection_age=env.number(
                "GRPC_MAX_CONNECTION_AGE_SECONDS",
                "After how long a caller's connection ends, so that callers behind a name find new replicas.",
                CONNECTION_AGE,
                low=1,
                high=86400,
            ),
            pooled=pooled,
            listen_database_url=listen_url,
            limits=Limits.read(env),
        )

    def secrets(self) -> list[str]:
        """Values that no log line may hold."""
        return [
            self.database_url,
            self.listen_database_url or "",
            self.redis_url or "",
            *self.sessions.secrets(),
        ]


def read_pooled(env: Env) -> bool:
    """Whether the database's address is that of a pooler which lends connections for a transaction."""
    pooler = env.choice(
        "DATABASE_POOLER",
        "transaction when the database's address is that of PgBouncer in transaction mode, or of"
        " Supabase's pooler at port 6543; none when it is PostgreSQL's or a pooler's in session mode.",
        "none",
        ("none", "transaction"),
    )
    return pooler == "transaction"
