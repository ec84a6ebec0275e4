"""The names of time zones in which the days of reports can begin."""

from functools import cache
from zoneinfo import available_timezones

# Names of files beside the zones, which depend on the computer. PostgreSQL does not know them.
FILES = frozenset({"localtime", "posixrules"})
# PostgreSQL reads these as abbreviations of a fixed offset; in the IANA database they have summer time.
ABBREVIATIONS = frozenset({"CET", "EET", "MET", "WET"})


@cache
def names() -> frozenset[str]:
    """Return the names of the IANA database that mean the same to Python and PostgreSQL."""
    return frozenset(available_timezones() - FILES - ABBREVIATIONS)
