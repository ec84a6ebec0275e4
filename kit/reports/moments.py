"""When days begin in a time zone."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from kit.reports.periods import DAY, Days


def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day, also if its midnight is skipped or comes twice."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def after(days: Days) -> date:
    """Return the day after the last one."""
    return days.last + DAY
