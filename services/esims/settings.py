"""The settings of the eSIMs service."""

from dataclasses import dataclass, field
from datetime import timedelta

from kit.process.settings import ServiceSettings
from kit.reports.settings import ReportSettings
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
    changes_days: int = 30
    fresh_for: timedelta = FRESH_FOR
    # Without it, tokens of API keys are refused, and no changes of memberships are read.
    orders_address: str = ""
    reports: ReportSettings = field(default_factory=ReportSettings)
    usage_sample_days: int = 90

    @classmethod
    def read(cls, env: Env) -> "Settings":
        """Declare and read the variables."""
        return cls(
            service=ServiceSettings.read(env, "esims", PORT),
            provider=ProviderSettings.read(env),
            orders_address=env.text(
                "ORDERS_ADDRESS", "Address of the orders service.", "localhost:50052"
            ),
            reports=ReportSettings.read(env, "esims"),
            changes_days=env.integer(
                "ESIMS_CHANGES_DAYS",
                "Days after which changes of eSIMs are deleted from the feed that other services read.",
                30,
                low=1,
                high=3_650,
            ),
            usage_sample_days=env.integer(
                "USAGE_SAMPLE_DAYS",
                "Days after which samples of data use and visits of countries are deleted. Their sums by day"
                " in the time zone of REPORTING_TIME_ZONE stay.",
                90,
                low=2,
                high=3_650,
            ),
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
        return [*self.service.secrets(), self.provider.api_key, self.reports.database_url or ""]
