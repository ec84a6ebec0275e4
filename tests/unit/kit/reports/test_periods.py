"""Periods of reports: how many a range has, and which interval is named if it has too many."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import Failure
from kit.reports import periods
from kit.reports.periods import MAX_POINTS, Days, Interval

DAYS = st.builds(
    lambda first, more: Days(first, min(first + timedelta(days=more), date(2999, 12, 31))),
    st.dates(date(2000, 1, 1), date(2999, 12, 31)),
    st.one_of(st.integers(0, 800), st.integers(0, 365_242)),
)


@given(DAYS, st.sampled_from(list(Interval)))
def test_the_number_of_periods_is_known_without_listing_them(
    days: Days, interval: Interval
) -> None:
    if (number := periods.number(days, interval)) <= MAX_POINTS:
        split = periods.split(days, periods.starts(days, interval))
        assert number == len(split)
        assert all(one.first <= one.last for one in split)


@given(DAYS, st.sampled_from(list(Interval)))
def test_a_refusal_names_the_finest_interval_that_fits(days: Days, interval: Interval) -> None:
    if periods.number(days, interval) <= MAX_POINTS:
        return
    with pytest.raises(Failure) as refused:
        periods.starts(days, interval)
    named = Interval(refused.value.details["interval"])
    assert len(periods.starts(days, named)) <= MAX_POINTS
    finer = list(Interval)
    for one in finer[finer.index(interval) : finer.index(named)]:
        assert periods.number(days, one) > MAX_POINTS


@pytest.mark.parametrize(
    ("days", "fits"),
    [
        (Days(date(2000, 1, 1), date(2033, 5, 31)), Interval.QUARTER),  # 401 months
        (Days(date(2000, 1, 1), date(2033, 4, 30)), Interval.MONTH),
        (Days(date(2000, 1, 1), date(2100, 1, 1)), Interval.YEAR),  # 401 quarters
        (Days(date(2000, 12, 31), date(2400, 1, 1)), Interval.RANGE),  # 401 years
    ],
)
def test_the_last_period_counts_too(days: Days, fits: Interval) -> None:
    with pytest.raises(Failure) as refused:
        periods.starts(days, Interval.DAY)
    assert refused.value.details["interval"] == fits
