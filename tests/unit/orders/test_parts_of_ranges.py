"""The sums by day and by month that a sales report reads make up its range."""

import random
from collections import Counter
from datetime import date, timedelta

import pytest

from kit.reports.periods import DAY, Days, Interval, month_after, split, starts
from services.orders.reports.sources import Part, Ranged, parts

FIRST, NUMBER = date(2026, 9, 1), 130
SUMMED = [Interval.MONTH, Interval.QUARTER, Interval.YEAR, Interval.RANGE]


def counted(found: list[Part]) -> dict[tuple[date, date], int]:
    """Return how often each day is read, with the day on which it counts."""
    days: Counter[tuple[date, date]] = Counter()
    for part in found:
        day = part.days.first
        while day <= part.days.last:
            own = day.replace(day=1) if part.unit == "MONTH" else day
            days[day, part.at or own] += 1 if part.added else -1
            day += DAY
    return {key: times for key, times in days.items() if times}


@pytest.mark.parametrize("interval", Interval)
def test_each_day_of_a_range_is_read_once_and_counts_in_its_period(interval: Interval) -> None:
    draw = random.Random(7)
    for _ in range(600):
        first = FIRST + timedelta(days=draw.randrange(NUMBER))
        days = Days(first, first + timedelta(days=draw.randrange(NUMBER)))
        first_days = starts(days, interval)
        read = counted(parts(Ranged(days, first_days)))
        periods = split(days, first_days)
        for (day, at), times in read.items():
            assert times == 1
            assert any(p.first <= day <= p.last and p.first <= at <= p.last for p in periods)
        assert len(read) == days.number


def test_days_are_added_to_whole_months_or_subtracted_from_them_whichever_are_fewer() -> None:
    for interval in SUMMED:
        days = Days(date(2025, 11, 29), date(2026, 11, 28))
        assert parts(Ranged(days, starts(days, interval))) == [
            Part("MONTH", Days(date(2025, 12, 1), date(2026, 10, 31))),
            Part("DAY", Days(date(2025, 11, 29), date(2025, 11, 30))),
            Part("MONTH", Days(date(2026, 11, 1), date(2026, 11, 30)), at=date(2026, 11, 1)),
            Part(
                "DAY",
                Days(date(2026, 11, 29), date(2026, 11, 30)),
                added=False,
                at=date(2026, 11, 1),
            ),
        ]


def test_days_of_a_report_by_day_are_read_as_they_are() -> None:
    days = Days(date(2026, 9, 1), month_after(date(2026, 9, 1)) - DAY)
    for interval in (Interval.DAY, Interval.WEEK):
        assert parts(Ranged(days, starts(days, interval))) == [Part("DAY", days)]
