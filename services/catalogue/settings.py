"""The settings of the catalogue service."""

from dataclasses import dataclass
from typing import Self

from kit.process.settings import ServiceSettings
from kit.values.env import Env
from providers.esim_go.client import ProviderSettings

# The provider asks its clients to cache the catalogue; prices change rarely.
HOUR = 3600.0
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the process; `sync_seconds` is the interval between two syncs.

    `rates_url` is the file of exchange rates, read every `rates_seconds`; empty: none.
    """

    service: ServiceSettings
    provider: ProviderSettings
    sync_seconds: float = HOUR
    allow_shrink: bool = False
    rates_url: str = ""
    rates_seconds: float = 6 * HOUR
    # Without it, tokens of API keys are refused.
    orders_address: str = ""

    @classmethod
    def read(cls, env: Env) -> Self:
        """Declare and read the variables; problems are reported to `env`."""
        return cls(
            service=ServiceSettings.read(env, "catalogue", 50051),
            provider=ProviderSettings.read(env),
            orders_address=env.text(
                "ORDERS_ADDRESS", "Address of the orders service.", "localhost:50052"
            ),
            sync_seconds=env.number(
                "CATALOGUE_SYNC_SECONDS",
                "Interval between two syncs of the provider's catalogue, in seconds.",
                HOUR,
                low=60,
                high=DAY,
            ),
            allow_shrink=env.flag(
                "CATALOGUE_ALLOW_SHRINK",
                "Accept a catalogue that is empty or that lost more than half of its plans"
                " since the last sync.",
                default=False,
            ),
            rates_url=env.url(
                "EXCHANGE_RATES_URL",
                "URL of the daily file of exchange rates, in the format of the European Central"
                " Bank: https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml. By default,"
                " rates are only set by hand.",
                "",
            ),
            rates_seconds=env.number(
                "EXCHANGE_RATES_SECONDS",
                "Interval between two requests for that file, in seconds.",
                6 * HOUR,
                low=60,
                high=DAY,
            ),
        )

    def secrets(self) -> list[str]:
        return [self.provider.api_key, *self.service.secrets()]
