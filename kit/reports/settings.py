"""The settings of reports, which every service that makes reports has."""

from dataclasses import dataclass, field

from kit.reports import zone
from kit.values.env import Env


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """In which time zone days begin, and where reports are read; None is the service's own database."""

    time_zone: str = "UTC"
    database_url: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, env: Env, owner: str) -> "ReportSettings":
        """Declare and read the variables of an owner of data."""
        time_zone = env.text(
            "REPORTING_TIME_ZONE",
            "IANA time zone in which the days of reports begin, such as Europe/Berlin. After a change, the"
            " days are summed again in the background.",
            "UTC",
        )
        if time_zone not in zone.names():
            env.problems.append(
                f"REPORTING_TIME_ZONE: {time_zone!r} is no IANA time zone, such as Europe/Berlin"
            )
        url = env.url(
            f"{owner.upper()}_REPORTS_DATABASE_URL",
            f"PostgreSQL URL for reports with the login {owner}_reports, which can be that of a replica."
            " Empty: reports use the database of the service, in transactions that only read.",
            "",
            schemes=("postgresql", "postgres"),
            secret=True,
        )
        return cls(time_zone, url or None)
