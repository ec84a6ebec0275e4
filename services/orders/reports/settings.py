"""The settings of reports."""

from dataclasses import dataclass, field

from kit.db.reports import read_url
from kit.reports.zone import read_zone
from kit.values.env import Env


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """In which time zone days begin, and where reports are read; None is the service's own database."""

    time_zone: str = "UTC"
    database_url: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, env: Env) -> "ReportSettings":
        return cls(read_zone(env), read_url(env, "orders"))
