"""Time zones mean the same to Python and PostgreSQL, which both compute days."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from kit.reports import zone
from tests.fixtures.postgres import Databases


async def test_all_zones_mean_the_same_to_postgresql(databases: Databases) -> None:
    for at in (datetime(2024, 1, 15, 12, tzinfo=UTC), datetime(2024, 7, 15, 12, tzinfo=UTC)):
        rows = await databases.admin.fetch(
            "select name, $1::timestamptz at time zone name as local from unnest($2::text[]) name",
            at,
            sorted(zone.names()),
        )
        assert len(rows) > 400
        for row in rows:
            expected = at.astimezone(ZoneInfo(row["name"])).replace(tzinfo=None)
            assert (row["name"], row["local"]) == (row["name"], expected)
