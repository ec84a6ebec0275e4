"""Settings of the gateway."""

from dataclasses import dataclass, field
from pathlib import Path

from gateway.defence_settings import DefenceSettings
from gateway.documents import trusted
from gateway.documents.persisted import PER_CLIENT
from gateway.documents.trusted import TrustedDocuments
from gateway.http.cors import LOCALHOST, Origins
from gateway.http.response_cache import MAX_BYTES
from gateway.http.socket_settings import SocketSettings
from kit.cache import redis_settings
from kit.http.settings import HTTPSettings
from kit.net.tls import PLAIN, TLS
from kit.process.process_settings import is_development
from kit.process.settings import SessionSettings, read_drain_seconds
from kit.values.env import Env

# Short, because a browser that cached a response doesn't notice a change of price.
RESPONSE_CACHE_SECONDS = 60.0
# Bytes. The whole catalogue, with everything in it, has 6 million.
MAX_ANSWER = 16 * 2**20
# Settings of removed mechanisms, and what to do instead.
REMOVED = {"GATEWAY_PROCESSES": "run more replicas of the gateway behind a load balancer"}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a gateway process."""

    host: str
    port: int
    catalogue_address: str
    orders_address: str
    esims_address: str
    sessions: SessionSettings
    cors_origins: Origins
    max_body: int
    max_depth: int
    drain_seconds: float
    max_answer: int = MAX_ANSWER
    response_cache_bytes: int = MAX_BYTES
    persisted_queries: bool = True
    persisted_per_client: int = PER_CLIENT
    trusted_documents: TrustedDocuments = field(
        default_factory=lambda: TrustedDocuments({}, only=False)
    )
    redis_url: str | None = field(default=None, repr=False)
    defence: DefenceSettings = field(default_factory=DefenceSettings)
    trust_traceparent: bool = False
    sockets: SocketSettings = field(default_factory=SocketSettings)
    http: HTTPSettings = field(default_factory=HTTPSettings)
    tls: TLS = PLAIN
    response_cache_seconds: float = 0.0
    explorer: bool = False
    supabase_anon_key: str | None = None
    support_address: str = ""
    public_url: str = "http://localhost:4000"
    supabase_public_url: str | None = None

    @classmethod
    def read(cls, env: Env) -> "Settings":
        # Long but flat: one declaration after the other, in the order of docs/configuration.md.
        for name, instead in REMOVED.items():
            env.removed(name, instead)
        development = is_development(env)
        defence = DefenceSettings.read(env, development=development)
        return cls(
            host=env.text("GATEWAY_HOST", "Address to listen on.", "127.0.0.1"),
            port=env.port("GATEWAY_PORT", "HTTP port; 0 lets the operating system choose.", 4000),
            catalogue_address=_address(env, "catalogue", 50051),
            orders_address=_address(env, "orders", 50052),
            esims_address=_address(env, "esims", 50053),
            sessions=SessionSettings.read(env),
            tls=TLS.read(env),
            response_cache_seconds=env.number(
                "GATEWAY_RESPONSE_CACHE_SECONDS",
                "How long a public response may be cached, here and by clients and proxies, in seconds."
                " The gateway's own cache is also invalidated when the catalogue changes. 0 disables"
                " caching.",
                RESPONSE_CACHE_SECONDS,
                low=0,
                high=3600,
            ),
            response_cache_bytes=env.integer(
                "GATEWAY_RESPONSE_CACHE_BYTES",
                "Maximum size of the response cache, in bytes. When it is full, the least"
                " recently used response is evicted.",
                MAX_BYTES,
                low=1_048_576,
                high=1_099_511_627_776,
            ),
            cors_origins=_origins(env, development=development),
            max_body=env.integer(
                "GATEWAY_MAX_BODY",
                "Maximum size of a request body, in bytes; typical queries have a few thousand.",
                262_144,
                low=1_024,
                high=16_777_216,
            ),
            max_answer=env.integer(
                "GATEWAY_MAX_ANSWER",
                "Maximum size of the response to an operation, or of an event, in bytes; a larger"
                " one is answered with an error.",
                MAX_ANSWER,
                low=65_536,
                high=1_073_741_824,
            ),
            max_depth=env.integer(
                "GATEWAY_MAX_DEPTH",
                "Maximum nesting depth of the fields of an operation.",
                12,
                low=3,
                high=30,
            ),
            persisted_queries=env.flag(
                "GATEWAY_PERSISTED_QUERIES",
                "Store documents by their hash, so that clients can send the hash only (automatic"
                " persisted queries).",
                default=True,
            ),
            persisted_per_client=env.integer(
                "GATEWAY_PERSISTED_QUERIES_PER_CLIENT",
                "How many persisted documents one user, or one network address without a session, may"
                " have. When the limit is reached, the client's oldest document is evicted.",
                PER_CLIENT,
                low=1,
                high=1_000_000,
            ),
            trusted_documents=_trusted_documents(env),
            redis_url=redis_settings.read(env),
            defence=defence,
            http=HTTPSettings.read(env, defence.trusted_proxies),
            trust_traceparent=env.flag(
                "GATEWAY_TRUST_TRACEPARENT",
                "Use a client's traceparent header as the parent of the request's trace. Enable this for"
                " gateways behind a proxy that sets the header; otherwise the trace only links to it.",
                default=False,
            ),
            drain_seconds=read_drain_seconds(env),
            sockets=SocketSettings.read(env),
            public_url=env.url(
                "GATEWAY_PUBLIC_URL",
                "Address at which people reach this gateway, such as https://api.shop.example; share links of"
                " eSIMs and links to exports begin with it. `./esimgo up` and Compose set it to the local"
                " port.",
                "http://localhost:4000",
            ),
            support_address=env.text(
                "SUPPORT_ADDRESS",
                "E-mail address, phone number or web page where travelers get help; printed on"
                " installation pages. Empty prints none.",
                "",
            ),
            explorer=env.flag(
                "GATEWAY_EXPLORER",
                "Serve GraphiQL to browsers that visit /graphql. It requires GATEWAY_INTROSPECTION. With"
                " APP_ENV=development the default is true.",
                default=development,
            ),
            supabase_public_url=env.url(
                "SUPABASE_PUBLIC_URL",
                "Address at which browsers reach Supabase Auth, if it differs from SUPABASE_URL; the"
                " explorer signs in there.",
                "",
            )
            or None,
            supabase_anon_key=env.optional(
                "SUPABASE_ANON_KEY",
                "The Supabase project's public (anon) key, with which users sign in to the explorer.",
                secret=True,  # it is public, but containers get all keys as files
            ),
        )

    def secrets(self) -> list[str]:
        """Values that no log line may hold."""
        return [self.redis_url or "", *self.sessions.secrets()]


def _origins(env: Env, *, development: bool) -> Origins:
    text = env.text(
        "GATEWAY_CORS_ORIGINS",
        "Web origins whose pages may call the gateway, separated by commas, such as"
        " https://shop.example. localhost allows every page served on this machine; * allows"
        " every page. By default none are allowed, or with APP_ENV=development those of"
        " localhost.",
        LOCALHOST if development else "",
    )
    try:
        return Origins.parse(text)
    except ValueError as error:
        env.problems.append(f"GATEWAY_CORS_ORIGINS: {error}")
        return Origins()


def _trusted_documents(env: Env) -> TrustedDocuments:
    mode = env.choice(
        "TRUSTED_DOCUMENTS",
        "allow executes the documents of TRUSTED_DOCUMENTS_FILE by their id; only refuses all"
        " other documents; off disables trusted documents.",
        "off",
        ("off", "allow", "only"),
    )
    file = env.optional(
        "TRUSTED_DOCUMENTS_FILE",
        "Manifest of trusted documents, written by `python -m gateway.http.trust_documents`.",
    )
    if mode == "off":
        return TrustedDocuments({}, only=False)
    if file is None:
        env.problems.append(
            f"TRUSTED_DOCUMENTS={mode} requires a manifest: set TRUSTED_DOCUMENTS_FILE"
        )
    else:
        try:
            return trusted.read(Path(file), only=mode == "only")
        except trusted.ManifestError as error:
            env.problems.append(f"TRUSTED_DOCUMENTS_FILE: {error}")
    return TrustedDocuments({}, only=True)


def _address(env: Env, name: str, port: int) -> str:
    return env.text(
        f"{name.upper()}_ADDRESS",
        f"Address of the {name} service: host:port, or dns:///name:port to balance over every"
        " replica behind a DNS name.",
        f"localhost:{port}",
    )
