"""Checks the fields that requests of all reports have; problems are collected by `Checks`."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import TypeVar

from kit.reports import zone as zones
from kit.reports.periods import Days, Interval
from kit.values import plain_text
from kit.values.checks import Checks
from protos.common.v1 import days_pb2 as pb

# Reports begin and end within these.
FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2999, 12, 31)
MAX_DIMENSIONS = 3
MAX_VALUES = 500
MAX_TEXT = 200
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
INTERVALS: dict[int, Interval] = {pb.Interval.Value(f"INTERVAL_{one}"): one for one in Interval}
T = TypeVar("T")


def days(checks: Checks, given: pb.DayRange) -> Days:
    """Return the days of the field `range`."""
    first = day(checks, "range.from", given.from_day)
    last = day(checks, "range.to", given.to_day)
    if not checks.problems and last < first:
        checks.fail(
            "range.to", f"must not be before the first day, {first}; both days are included"
        )
    return Days(first, last)


def day(checks: Checks, field: str, text: str) -> date:
    """Return a day that is written like 2026-11-01."""
    try:
        # Python reads other forms too, such as those of weeks.
        found = date.fromisoformat(text) if DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        checks.fail(field, "must be a day such as 2026-11-01")
        return FIRST_DAY
    if not FIRST_DAY <= found <= LAST_DAY:
        checks.fail(field, f"must be a day from {FIRST_DAY} to {LAST_DAY}")
    return found


def interval(checks: Checks, number: int) -> Interval:
    """Return the interval of the field `interval`; DAY for none."""
    return one(checks, "interval", number, INTERVALS, Interval.DAY)


def zone(checks: Checks, name: str) -> str:
    """Check the name of the field `time_zone`, which may be empty."""
    if not name or name in zones.names():
        return name
    guess = name.isascii() and name not in zones.ABBREVIATIONS
    near = get_close_matches(name[:64], zones.names(), n=3) if guess else []
    text = f"must be an IANA time zone, such as Europe/Berlin, not {plain_text.quoted(name[:64])}"
    checks.fail("time_zone", f"{text}; did you mean {' or '.join(near)}?" if near else text)
    return name


def one(checks: Checks, field: str, number: int, known: Mapping[int, T], default: T) -> T:
    """Return the value that a number of an enum stands for; `default` for 0."""
    if number and number not in known:
        checks.fail(field, f"unknown value {number}")
    return known.get(number, default)


def group_by(checks: Checks, numbers: Sequence[int], known: Mapping[int, T]) -> tuple[T, ...]:
    """Return the dimensions of the field `group_by`."""
    if len(numbers) > MAX_DIMENSIONS:
        checks.fail(
            "group_by", f"must have at most {MAX_DIMENSIONS} dimensions, not {len(numbers)}"
        )
    found: list[T] = []
    for n, number in enumerate(numbers):
        if number not in known:
            checks.fail(f"group_by[{n}]", f"unknown value {number}")
        elif known[number] in found:
            checks.fail(f"group_by[{n}]", f"{known[number]} is given twice")
        else:
            found.append(known[number])
    return tuple(found)


def texts(checks: Checks, field: str, given: Sequence[str]) -> tuple[str, ...]:
    """Return the values of a field of `filter`."""
    return tuple(
        checks.free_text(f"filter.{field}[{n}]", text, MAX_TEXT)
        for n, text in enumerate(few(checks, field, given))
    )


def few(checks: Checks, field: str, given: Sequence[T]) -> Sequence[T]:
    """Return the values of a field of `filter`; none if there are too many."""
    if len(given) <= MAX_VALUES:
        return given
    checks.fail(f"filter.{field}", f"must have at most {MAX_VALUES} values, not {len(given)}")
    return []
