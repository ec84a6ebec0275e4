"""The settings of the webhook process."""

from dataclasses import dataclass, field

from kit.env import Env
from kit.http_settings import HTTPSettings
from kit.rpc_limits import DEFAULTS, Limits
from kit.service_settings import SessionSettings, read_pooled
from kit.tls import PLAIN, TLS
from webhooks import addresses
from webhooks.addresses import Network


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the webhook process: where callbacks are received, and which are accepted."""

    host: str
    port: int
    database_url: str = field(repr=False)
    keys: tuple[str, ...] = field(repr=False)
    allow_unsigned: bool
    max_body: int
    dedupe_seconds: float
    allowed_networks: tuple[Network, ...]
    trusted_proxies: tuple[Network, ...]
    esims_address: str
    orders_address: str
    sessions: SessionSettings
    admin_host: str
    admin_port: int
    most_attempts: int
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
            "The key that callbacks are signed with; several, separated by commas, during a rotation."
            " Without it the API key, which is what the provider signs with.",
            secret=True,
        )
        api_key = env.optional("ESIM_GO_API_KEY", "The provider's API key.", secret=True)
        proxies = _networks(
            env,
            "WEBHOOKS_TRUSTED_PROXIES",
            "Proxies whose X-Forwarded-For is believed, in the same form; without it none is.",
        )
        return cls(
            host=env.text("WEBHOOKS_HOST", "The address to listen on.", "127.0.0.1"),
            port=env.port("WEBHOOKS_PORT", "The HTTP port; 0 lets the system choose.", 4001),
            database_url=env.url(
                "WEBHOOKS_DATABASE_URL",
                "PostgreSQL, as the login webhooks_service.",
                schemes=("postgresql", "postgres"),
                secret=True,
            ),
            keys=tuple(key.strip() for key in (secrets or api_key or "").split(",") if key.strip()),
            allow_unsigned=env.flag(
                "WEBHOOKS_ALLOW_UNSIGNED",
                "Also accepts callbacks without a signature, as the provider's version V2 sends them.",
                default=False,
            ),
            max_body=int(
                env.number(
                    "WEBHOOKS_MAX_BODY",
                    "Bytes that a callback may have; the provider's have less than a thousand.",
                    65_536,
                    low=1_024,
                    high=10_485_760,
                )
            ),
            dedupe_seconds=env.number(
                "WEBHOOKS_DEDUPE_SECONDS",
                "Equal bodies within this time are one event; the provider repeats some news daily.",
                600,
                low=0,
                high=43_200,
            ),
            allowed_networks=_networks(
                env,
                "WEBHOOKS_ALLOWED_NETWORKS",
                "Takes callbacks from these addresses alone, as 192.0.2.7 or 192.0.2.0/24, separated"
                " by commas; without it from everywhere.",
            ),
            trusted_proxies=proxies,
            http=HTTPSettings.read(env, proxies),
            esims_address=env.text(
                "ESIMS_ADDRESS", "Where the esims service is.", "localhost:50053"
            ),
            orders_address=env.text(
                "ORDERS_ADDRESS", "Where the orders service is.", "localhost:50052"
            ),
            sessions=SessionSettings.read(env),
            tls=TLS.read(env),
            limits=Limits.read(env),
            pooled=read_pooled(env),
            drain_seconds=env.number(
                "DRAIN_SECONDS",
                "How long a stopping service says NOT_SERVING before it refuses new calls.",
                0.5,
                low=0,
                high=60,
            ),
            admin_host=env.text(
                "WEBHOOKS_ADMIN_HOST", "The address to listen on for operators.", "127.0.0.1"
            ),
            admin_port=env.port(
                "WEBHOOKS_ADMIN_PORT",
                "The gRPC port for operators; 0 lets the system choose.",
                50054,
            ),
            most_attempts=int(
                env.number(
                    "WEBHOOKS_MOST_ATTEMPTS",
                    "How often an event is tried that its owner can't take, before a person has to"
                    " look; 12 are about half an hour. An owner that is away counts for none.",
                    12,
                    low=1,
                    high=1_000,
                )
            ),
            foreign_seconds=env.number(
                "WEBHOOKS_FOREIGN_SECONDS",
                "How long a callback about an eSIM or order that is not known here counts as pending. Then it"
                " is foreign, and still delivered should that become known.",
                60,
                low=0,
                high=240,
            ),
            retention_days=int(
                env.number(
                    "WEBHOOKS_RETENTION_DAYS",
                    "Days after which callbacks are taken out that were delivered or that nobody here knows;"
                    " 0 keeps them for good. Dead letters stay.",
                    90,
                    low=0,
                    high=3_650,
                )
            ),
        )

    def secrets(self) -> list[str]:
        """Values that no log line may hold."""
        return [self.database_url, *self.keys, *self.sessions.secrets()]


def _networks(env: Env, name: str, help_text: str) -> tuple[Network, ...]:
    text = env.optional(name, help_text) or ""
    try:
        return addresses.networks(text)
    except ValueError as error:
        env.problems.append(f"{name} is no list of addresses and networks: {error}")
        return ()
