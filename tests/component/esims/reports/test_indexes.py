"""Reports find what they count in indexes, however much there is."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from kit.reports.periods import Days, Interval, starts
from services.esims.reports import expiry_store, usage_store
from services.esims.reports.report import Dimension, Filter, Wanted
from tests.fixtures.postgres import Databases

WEEK = Days(date(2026, 11, 1), date(2026, 11, 7))


# Eleven months, of which reports read a week.
FILL = """
set session_replication_role = replica;
insert into esims.esims (
    iccid, customer_id, order_id, plan_id, order_reference, bundle_name, status, created_at,
    deletion_announced_at
)
select (89 * 10::numeric ^ 18 + n)::text, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ref',
    'one', 'ASSIGNED', timestamptz '2026-01-01 00:00Z' + n * interval '2 hours',
    case when n % 100 = 0 then now() end
from generate_series(1, 4000) n;
insert into esims.esim_bundles (
    esim_id, assignment_id, customer_id, name, state, read_at, started_at, ended_at
)
select id, 'assignment', customer_id, bundle_name, 'expired', created_at, created_at, created_at
from esims.esims;
insert into esims.usage_samples (bundle_name, at, used_bytes, previous_bytes, source)
select 'one', created_at, 2, 1, 'READ' from esims.esims;
insert into esims.visits (bundle_name, country, first_seen_at, last_seen_at)
select 'one', 'GB', created_at, created_at from esims.esims;
insert into esims.usage_by_day
select 'UTC', created_at::date, '', id::text, null, 1, 1, 1, 1, 1 from esims.esims;
update esims.usage_watermarks set xid = (pg_current_xact_id()::text::bigint + 1)::text::xid8;
reset session_replication_role;
analyze esims.esims, esims.esim_bundles, esims.usage_samples, esims.visits, esims.usage_by_day;
"""


class Explained:
    """A connection that also collects the plans of what it fetches."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.plans = ""

    async def fetch(self, query: str, *arguments: Any) -> Any:
        rows = await self._connection.fetch(f"explain {query}", *arguments)
        self.plans += "\n".join(row[0] for row in rows)
        return await self._connection.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        rows = await self.fetch(query, *arguments)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        return (await self.fetch(query, *arguments))[0][0]


@pytest.mark.parametrize(
    ("summed", "used"),
    [
        (True, {"usage_by_day_once", "esim_bundles_by_start"}),
        (False, {"usage_samples_by_time", "visits_by_time", "esim_bundles_by_start"}),
    ],
)
async def test_usage_is_read_by_time(databases: Databases, summed: bool, used: set[str]) -> None:
    wanted = Wanted(
        WEEK,
        Interval.DAY,
        group_by=(Dimension.COUNTRY,),
        filter=Filter(plans=("one",), organization_ids=(UUID(int=1),)),
    )
    await databases.admin.execute(FILL)
    async with databases.open("esims") as database, database.reports() as connection:
        explained: Any = Explained(connection)
        await usage_store.cells(
            explained,
            wanted,
            "UTC",
            starts(WEEK, Interval.DAY),
            summed=summed,
            limit=10,
        )
        await usage_store.summed_until(explained)
    assert {name for name in used if name in explained.plans} == used, explained.plans
    assert "usage_samples_in_order" in explained.plans
    for table in ("usage_samples", "visits", "usage_by_day", "esim_bundles"):
        assert f"Seq Scan on {table}" not in explained.plans


async def test_expiry_is_read_by_time(databases: Databases) -> None:
    await databases.admin.execute(FILL)
    async with databases.open("esims") as database, database.reports() as connection:
        explained: Any = Explained(connection)
        now = await connection.fetchval("select now()")
        await expiry_store.expiry(explained, WEEK, "UTC", now)
    for index in ("esim_bundles_by_end", "esims_newest", "esims_to_be_deleted"):
        assert index in explained.plans
    for table in ("esims", "esim_bundles"):
        assert f"Seq Scan on {table}" not in explained.plans
