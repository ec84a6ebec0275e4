"""The settings of the webhook process."""

from dataclasses import dataclass, field

from kit.http.settings import HTTPSettings
from kit.net.client_address import Networks, networks
from kit.net.tls import PLAIN, TLS
from kit.process.settings import (
    ServiceSettings,
    SessionSettings,
    read_drain_seconds,
    read_pooled,
)
from kit.rpc.limits import DEFAULTS, Limits
from kit.values.env import Env


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the webhook process."""

    host: str
    port: int
    database_url: str = field(repr=False)
    keys: tuple[str, ...] = field(repr=False)
    stripe_secrets: tuple[str, ...] = field(repr=False)
    allow_unsigned: bool
    max_body: int
    dedupe_seconds: float
    allowed_networks: Networks
    trusted_proxies: Networks
    esims_address: str
    orders_address: str
    sessions: SessionSettings
    admin_host: str
    admin_port: int
    max_attempts: int
    foreign_seconds: float
    retention_days: int
    tls: TLS = PLAIN
    pooled: bool = False
    drain_seconds: float = 0.0
    http: HTTPSettings = field(default_factory=HTTPSettings)
    limits: Limits = DEFAULTS

    @classmethod
    def read(cls, env: Env) -> "Settings":
        # Long but flat: one declaration after the other, in the order of docs/configuration.md.
        secrets = env.optional(
            "ESIM_GO_WEBHOOK_SECRET",
            "Key that callbacks are signed with; during a rotation, several keys separated by"
            " commas. Defaults to the API key, which the provider signs with.",
            secret=True,
        )
        stripe_secrets = env.optional(
            "STRIPE_WEBHOOK_SECRET",
            "Signing secret of Stripe's webhook endpoint (whsec_...); during a rotation, several"
            " separated by commas. Empty: events of Stripe are refused, and payments are only polled.",
            secret=True,
        )
        api_key = env.optional("ESIM_GO_API_KEY", "API key of the provider.", secret=True)
        proxies = _networks(
            env,
            "WEBHOOKS_TRUSTED_PROXIES",
            "IP addresses or networks of your own reverse proxies, separated by commas, whose"
            " X-Forwarded-For header is trusted. By default none is.",
        )
        return cls(
            host=env.text("WEBHOOKS_HOST", "Address to listen on.", "127.0.0.1"),
            port=env.port("WEBHOOKS_PORT", "HTTP port; 0 lets the operating system choose.", 4001),
            database_url=env.url(
                "WEBHOOKS_DATABASE_URL",
                "PostgreSQL URL with the login webhooks_service.",
                schemes=("postgresql", "postgres"),
                secret=True,
            ),
            keys=_listed(secrets or api_key),
            stripe_secrets=_listed(stripe_secrets),
            allow_unsigned=env.flag(
                "WEBHOOKS_ALLOW_UNSIGNED",
                "Also accept unsigned callbacks, which version V2 of the provider's callbacks"
                " sends.",
                default=False,
            ),
            max_body=env.integer(
                "WEBHOOKS_MAX_BODY",
                "Maximum size of a callback, in bytes; those of the provider have less"
                " than a thousand.",
                65_536,
                low=1_024,
                high=10_485_760,
            ),
            dedupe_seconds=env.number(
                "WEBHOOKS_DEDUPE_SECONDS",
                "Callbacks with identical bodies within this time, in seconds, are treated as"
                " one event; the provider repeats some callbacks daily.",
                600,
                low=0,
                high=43_200,
            ),
            allowed_networks=_networks(
                env,
                "WEBHOOKS_ALLOWED_NETWORKS",
                "Accept callbacks only from these IP addresses or networks, such as 192.0.2.7 or"
                " 192.0.2.0/24, separated by commas. By default all are accepted.",
            ),
            trusted_proxies=proxies,
            http=HTTPSettings.read(env, proxies),
            esims_address=env.text(
                "ESIMS_ADDRESS", "Address of the esims service.", "localhost:50053"
            ),
            orders_address=env.text(
                "ORDERS_ADDRESS", "Address of the orders service.", "localhost:50052"
            ),
            sessions=SessionSettings.read(env),
            tls=TLS.read(env),
            limits=Limits.read(env),
            pooled=read_pooled(env),
            drain_seconds=read_drain_seconds(env),
            admin_host=env.text(
                "WEBHOOKS_ADMIN_HOST",
                "Address on which the gRPC API for operators listens.",
                "127.0.0.1",
            ),
            admin_port=env.port(
                "WEBHOOKS_ADMIN_PORT",
                "Port of the gRPC API for operators; 0 lets the operating system choose.",
                50054,
            ),
            max_attempts=env.integer(
                "WEBHOOKS_MOST_ATTEMPTS",
                "Number of delivery attempts that fail because of the event before it becomes"
                " a dead letter; 12 take about half an hour. Attempts while the owning"
                " service is unavailable don't count.",
                12,
                low=1,
                high=1_000,
            ),
            foreign_seconds=env.number(
                "WEBHOOKS_FOREIGN_SECONDS",
                "How long a callback about an unknown eSIM or order stays pending, in seconds."
                " After that its state is FOREIGN, but it is still delivered if the eSIM or order"
                " becomes known.",
                60,
                low=0,
                high=240,
            ),
            retention_days=env.integer(
                "WEBHOOKS_RETENTION_DAYS",
                "Days after which delivered and unrelated callbacks are deleted; 0 keeps them"
                " forever. Dead letters are never deleted.",
                90,
                low=0,
                high=3_650,
            ),
        )

    @property
    def service(self) -> ServiceSettings:
        """The database, and the gRPC server for operators."""
        return ServiceSettings(
            host=self.admin_host,
            port=self.admin_port,
            database_url=self.database_url,
            sessions=self.sessions,
            redis_url=None,
            drain_seconds=0,
            tls=self.tls,
            pooled=self.pooled,
            limits=self.limits,
        )

    def secrets(self) -> list[str]:
        return [
            self.database_url,
            *self.keys,
            *self.stripe_secrets,
            *self.sessions.secrets(),
        ]


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(key.strip() for key in (text or "").split(",") if key.strip())


def _networks(env: Env, name: str, help_text: str) -> Networks:
    text = env.optional(name, help_text) or ""
    try:
        return networks(text)
    except ValueError as error:
        env.problems.append(f"{name} must be a list of IP addresses and networks: {error}")
        return ()
