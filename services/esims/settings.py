"""The settings of the eSIMs service."""

from dataclasses import dataclass

from kit.env import Env
from kit.provider import ProviderSettings
from kit.service_settings import ServiceSettings

PORT = 50053


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the process is told from outside; `read_wait` is in seconds."""

    service: ServiceSettings
    provider: ProviderSettings
    read_wait: float

    @classmethod
    def read(cls, env: Env) -> "Settings":
        """Declares and reads the variables."""
        return cls(
            service=ServiceSettings.read(env, "esims", PORT),
            provider=ProviderSettings.read(env),
            read_wait=env.number(
                "ESIMS_READ_WAIT",
                "Seconds that a call waits for fresh bundles from eSIM Go before it answers with"
                " the stored ones.",
                2,
                low=0,
                high=30,
            ),
        )

    def secrets(self) -> list[str]:
        """Values that no log line may hold."""
        return [*self.service.secrets(), self.provider.api_key]
