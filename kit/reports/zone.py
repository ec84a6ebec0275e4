"""The names of time zones, and the setting of that in which the days of reports begin."""

from functools import cache
from zoneinfo import available_timezones

from kit.values.env import Env

# Names of files beside the zones, which depend on the computer. PostgreSQL does not know them.
FILES = frozenset({"localtime", "posixrules"})
# PostgreSQL reads these as abbreviations of a fixed offset; in the IANA database they have summer time.
ABBREVIATIONS = frozenset({"CET", "EET", "MET", "WET"})


@cache
def names() -> frozenset[str]:
    """Return the names of the IANA database that mean the same to Python and PostgreSQL."""
    return frozenset(available_timezones() - FILES - ABBREVIATIONS)


def read_zone(env: Env) -> str:
    """Declare and read the setting."""
    zone = env.text(
        "REPORTING_TIME_ZONE",
        "IANA time zone in which the days of reports begin, such as Europe/Berlin. After a change, the"
        " days are summed again in the background.",
        "UTC",
    )
    if zone not in names():
        env.problems.append(
            f"REPORTING_TIME_ZONE: {zone!r} is no IANA time zone, such as Europe/Berlin"
        )
    return zone
