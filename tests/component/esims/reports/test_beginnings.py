"""Days begin at their first moment, in every time zone and on every day."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kit.reports import zone as zones
from services.esims.reports.usage_store import beginnings
from tests.fixtures.postgres import Databases

TICK = timedelta(microseconds=1)
# Midnight is skipped, comes twice, or the clocks go back at it; the hour before it, or a day, is skipped.
CHANGES = [
    (date(2018, 11, 4), "America/Sao_Paulo"),
    (date(2026, 11, 1), "America/Havana"),
    (date(2018, 2, 18), "America/Sao_Paulo"),
    (date(2026, 3, 29), "America/Nuuk"),
    (date(2011, 12, 30), "Pacific/Apia"),
]


async def check(connection: Any, days: list[date], name: str) -> None:
    zone = ZoneInfo(name)
    for day, moment in zip(days, await beginnings(connection, days, name), strict=True):
        assert moment.astimezone(zone).date() >= day, (name, day)
        assert (moment - TICK).astimezone(zone).date() < day, (name, day)


async def test_a_day_begins_at_the_first_moment_that_is_not_before_it(databases: Databases) -> None:
    # A past year, which all versions of the database of time zones agree on.
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(366)]
    for name in sorted(zones.names()):
        await check(databases.admin, days, name)
    for day, name in CHANGES:
        await check(databases.admin, [day], name)


@pytest.mark.parametrize(
    ("day", "name", "moment"),
    [
        (date(2026, 11, 1), "America/St_Johns", "2026-11-01T02:30:00+00:00"),
        (date(2026, 11, 2), "America/St_Johns", "2026-11-02T03:30:00+00:00"),
        (date(2026, 11, 1), "Asia/Kolkata", "2026-10-31T18:30:00+00:00"),
    ],
)
async def test_days_around_a_change_of_daylight_saving(
    databases: Databases, day: date, name: str, moment: str
) -> None:
    admin: Any = databases.admin
    assert await beginnings(admin, [day], name) == [datetime.fromisoformat(moment)]
