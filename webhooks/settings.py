"""The settings of the webhook process."""

from dataclasses import dataclass, field

from kit.env import Env


@dataclass(frozen=True, slots=True)
class Settings:
    """Where callbacks come in, and which are believed."""

    host: str
    port: int
    database_url: str = field(repr=False)
    keys: tuple[str, ...] = field(repr=False)
    allow_unsigned: bool
    max_body: int
    dedupe_seconds: float

    @classmethod
    def read(cls, env: Env) -> "Settings":
        secrets = env.optional(
            "ESIM_GO_WEBHOOK_SECRET",
            "The key that callbacks are signed with; several, separated by commas, during a rotation."
            " Without it the API key, which is what the provider signs with.",
            secret=True,
        )
        api_key = env.optional("ESIM_GO_API_KEY", "The provider's API key.", secret=True)
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
        )

    def secrets(self) -> list[str]:
        """Values that no log line may hold."""
        return [self.database_url, *self.keys]
