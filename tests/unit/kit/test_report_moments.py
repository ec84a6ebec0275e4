"""Days begin at their first moment, in every time zone and on every day."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kit.reports.moments import after, first_moment
from kit.reports.periods import Days

TICK = timedelta(microseconds=1)


@given(
    day=st.dates(date(2000, 1, 2), date(2999, 12, 30)),
    name=st.sampled_from(sorted(available_timezones())),
)
# Midnight is skipped, comes twice, or the clocks go back at it; and a day that is skipped.
@example(day=date(2018, 11, 4), name="America/Sao_Paulo")
@example(day=date(2026, 11, 1), name="America/Havana")
@example(day=date(2018, 2, 18), name="America/Sao_Paulo")
@example(day=date(2011, 12, 30), name="Pacific/Apia")
def test_the_first_moment_of_a_day_is_the_first_that_is_not_before_it(day: date, name: str) -> None:
    zone = ZoneInfo(name)
    moment = first_moment(day, zone)
    assert moment.astimezone(zone).date() >= day
    assert (moment - TICK).astimezone(zone).date() < day


@pytest.mark.parametrize(
    ("day", "name", "moment"),
    [
        (date(2026, 11, 1), "America/St_Johns", "2026-11-01T02:30:00+00:00"),
        (date(2026, 11, 2), "America/St_Johns", "2026-11-02T03:30:00+00:00"),
        (date(2026, 11, 1), "Asia/Kolkata", "2026-10-31T18:30:00+00:00"),
    ],
)
def test_days_around_a_change_of_daylight_saving(day: date, name: str, moment: str) -> None:
    assert first_moment(day, ZoneInfo(name)) == datetime.fromisoformat(moment)


def test_the_day_after_a_range() -> None:
    assert after(Days(date(2026, 12, 1), date(2026, 12, 31))) == date(2027, 1, 1)
