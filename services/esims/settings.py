"""The settings of the eSIMs service."""

from dataclasses import dataclass
from datetime import timedelta

from kit.process.settings import ServiceSettings
from kit.values.env import Env
from providers.esim_go.client import ProviderSettings

PORT = 50053
# The documented age of usage and bundles.
FRESH_FOR = timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the process; `read_wait` is in seconds."""

    service: ServiceSettings
    provider: ProviderSettings
    read_wait: float
    fresh_for: timedelta = FRESH_FOR

    @classmethod
    def read(cls, env: Env) -> "Settings":
        """Declare and read the variables."""
        return cls(
            service=ServiceSettings.read(env, "esims", PORT, listens=True),
            provider=ProviderSettings.read(env),
            fresh_for=timedelta(
                seconds=env.number(
                    "ESIMS_FRESH_SECONDS",
                    "Maximum age of usage and bundles, in seconds, before they are refreshed"
                    " from eSIM Go.",
                    FRESH_FOR.total_seconds(),
                    low=0,
                    high=86400,
                )
            ),
            read_wait=env.number(
                "ESIMS_READ_WAIT",
                "How long a call waits for a refresh from eSIM Go, in seconds, before it returns"
                " the stored bundles.",
                2,
                low=0,
                high=30,
            ),
        )

    def secrets(self) -> list[str]:
        return [*self.service.secrets(), self.provider.api_key]
