"""Splits a range of days into the periods of a report, and finds the range that it is compared with."""

import calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from kit.errors import Failure, Kind

# A chart with more points can't be read.
MAX_POINTS = 400
DAY = timedelta(days=1)


class Interval(StrEnum):
    """Length of a period; RANGE is the whole range."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"
    RANGE = "RANGE"


def day_of(moment: datetime, zone: str) -> date:
    """Return the day of a moment in a time zone."""
    return moment.astimezone(ZoneInfo(zone)).date()


@dataclass(frozen=True, slots=True)
class Days:
    """Days from the first to the last, both included."""

    first: date
    last: date

    @property
    def number(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def whole_months(self) -> int:
        """How many calendar months these are; 0 if they begin or end within one."""
        after = self.last + DAY
        if self.first.day != 1 or after.day != 1:
            return 0
        return (after.year - self.first.year) * 12 + after.month - self.first.month


def starts(days: Days, interval: Interval) -> list[date]:
    """Return the first day of each period; raises Failure INVALID (RANGE_TOO_LONG) for too many."""
    if number(days, interval) > MAX_POINTS:
        raise _too_long(days, interval)
    found = [days.first]
    while (following := _next(found[-1], interval)) is not None and following <= days.last:
        found.append(following)
    return found


def split(days: Days, first_days: list[date]) -> list[Days]:
    """Return the periods that begin at these days."""
    ends = [start - DAY for start in first_days[1:]] + [days.last]
    return [Days(start, end) for start, end in zip(first_days, ends, strict=True)]


def _next(day: date, interval: Interval) -> date | None:
    """Return the first day of the next period; None if there is none."""
    match interval:
        case Interval.DAY:
            return day + DAY
        case Interval.WEEK:
            return day + timedelta(days=7 - day.weekday())
        case Interval.MONTH:
            return _months_later(day.replace(day=1), 1)
        case Interval.QUARTER:
            return _months_later(day.replace(day=1), 3 - (day.month - 1) % 3)
        case Interval.YEAR:
            return date(day.year + 1, 1, 1)
        case Interval.RANGE:
            return None


def number(days: Days, interval: Interval) -> int:
    """Return how many periods a range has, without listing them."""
    first, last = days.first, days.last
    match interval:
        case Interval.DAY:
            return days.number
        case Interval.WEEK:
            return (days.number + first.weekday() + 6) // 7
        case Interval.MONTH:
            return _months(last) - _months(first) + 1
        case Interval.QUARTER:
            return _months(last) // 3 - _months(first) // 3 + 1
        case Interval.YEAR:
            return last.year - first.year + 1
        case Interval.RANGE:
            return 1


def _months(day: date) -> int:
    return day.year * 12 + day.month - 1


def _too_long(days: Days, interval: Interval) -> Failure:
    finer = list(Interval)
    fits = next(
        longer
        for longer in finer[finer.index(interval) + 1 :]
        if number(days, longer) <= MAX_POINTS
    )
    text = (
        f"The range has {days.number} days, which are more than {MAX_POINTS} periods of one"
        f" {interval}: use the interval {fits}, or a shorter range"
    )
    return Failure(
        Kind.INVALID,
        "RANGE_TOO_LONG",
        text,
        fields={"interval": text},
        details={"interval": fits.value, "max_points": str(MAX_POINTS)},
    )


def _months_later(day: date, months: int) -> date:
    """Return the same day some months later, or the last of that month if it is shorter."""
    year, month = divmod(_months(day) + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def month_after(day: date) -> date:
    """Return the first day of the next month."""
    return _months_later(day.replace(day=1), 1)


Shift = Callable[[date], date]


def previous(days: Days, interval: Interval) -> Shift:
    """Return how to move a day to the range right before.

    That range has as many days, or as many calendar months if range and periods are whole months.
    """
    if interval not in (Interval.DAY, Interval.WEEK) and (months := days.whole_months):
        return lambda day: _months_later(day, -months)
    return lambda day: day - timedelta(days=days.number)


def year_before(day: date) -> date:
    """Move a day to one year earlier."""
    return _months_later(day, -12)


def shifted(days: Days, first_days: list[date], shift: Shift) -> tuple[Days, list[date]]:
    """Return another range, whose periods begin at the moved days."""
    after = days.last + DAY
    later = [_begins(day, shift) for day in (*first_days[1:], after)]
    moved = [shift(first_days[0]), *later]
    return Days(moved[0], moved[-1] - DAY), moved[:-1]


def _begins(day: date, shift: Shift) -> date:
    """Return where a period that begins on a day begins after a shift, right after the day before.

    A leap day has no day of its own a year earlier, so the period begins there with the day after it.
    """
    moved = shift(day)
    return moved + DAY if moved == shift(day - DAY) else moved
