"""Background work of reports: facts of older ledger transactions, the time zone of days, the weekly check."""

import asyncio
import logging
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from kit.background import Loop
from kit.db.database import Connection, Database
from kit.reports.periods import day_of
from kit.telemetry import metrics
from services.orders.reports import rebuild_store
from services.orders.reports.difference import Counts
from services.orders.reports.rebuild import Rebuild

logger = logging.getLogger(__name__)

# Ledger transactions of one step, and seconds between steps: purchases go on meanwhile.
STEP = 500
PAUSE = 0.2
EVERY = timedelta(days=7)
# Seconds between checks if a comparison is due, each of which also reads the last result.
LOOK_EVERY = 60.0
# Differences that a check logs one by one.
MAX_LOGGED = 50
DAY = timedelta(days=1)

TAKE = """
select recorded_until, to_record_until from orders.sales_state
where recorded_until < to_record_until for update skip locked
"""
OLDER = """
select id, n from orders.ledger_transactions where n > $1 and n <= $2 order by n limit $3
"""
RECORDED = "update orders.sales_state set recorded_until = $1"
RETURNED = """
select array_agg(distinct order_id) as ids from orders.order_revocations
where state = 'REVOKED' and refund = 'INVENTORY'
"""


def older_sales(database: Database, stop: asyncio.Event) -> Loop:
    """Return the loop that records the facts of ledger transactions from before there were facts."""
    name = "record sales of older orders"
    return Loop(name, partial(record_older, database), stop, every=LOOK_EVERY, rest=PAUSE)


async def record_older(database: Database, step: int = STEP) -> bool:
    """Record the facts of some older ledger transactions.

    Returns False if another replica is at it, or nothing is left.
    """
    async with database.system() as connection:
        state: Any = await connection.fetchrow(TAKE)
        if state is None:
            return False
        rows = await connection.fetch(
            OLDER, state["recorded_until"], state["to_record_until"], step
        )
        await rebuild_store.record(connection, [row["id"] for row in rows])
        if len(rows) == step:
            await connection.execute(RECORDED, rows[-1]["n"])
            return True
        returned = await connection.fetchval(RETURNED)
        await rebuild_store.record_inventory(connection, returned or [])
        await connection.execute(RECORDED, state["to_record_until"])
    return False


ADD = "insert into orders.sales_zones (time_zone, ready) values ($1, false) on conflict do nothing"
READY = "update orders.sales_zones set ready = true where time_zone = $1"
REMOVE = "delete from orders.sales_zones where time_zone <> $1"
CLEAR = """
delete from orders.{table} where ctid in (
    select s.ctid from orders.{table} s
    where not exists (select from orders.sales_zones z where z.time_zone = s.time_zone) limit 5000
)
"""


class Zone:
    """Sums sales by the days of the setting's time zone, once after a start with another setting."""

    def __init__(self, database: Database, time_zone: str, *, stop: asyncio.Event) -> None:
        self._database = database
        self._time_zone = time_zone
        self._stop = stop
        self._done = False

    def loop(self) -> Loop:
        return Loop("sum sales in their time zone", self.round, self._stop, every=LOOK_EVERY)

    async def round(self) -> None:
        """Sum all days, unless they are; reports in the zone read facts until then.

        Once the zone is added, purchases add to the sums of both zones. The lock is held for one day at a
        time, and waits for purchases that commit, so each fact is summed exactly once.
        """
        if self._done:
            return
        async with self._database.system() as connection:
            zones = await connection.fetch("select time_zone, ready from orders.sales_zones")
        if [(row["time_zone"], row["ready"]) for row in zones] != [(self._time_zone, True)]:
            if not await self._sum():
                return
            logger.info("sales are summed by the days of %s", self._time_zone)
        self._done = True

    async def _sum(self) -> bool:
        async with self._database.system(locks=(rebuild_store.LOCK,)) as connection:
            await connection.execute(ADD, self._time_zone)
            first = await rebuild_store.first_moment(connection)
        begin = day_of(first or self._database.now(), self._time_zone)
        # All days are summed by plan first, because the sums by area of a day include what happened to its
        # orders on later days.
        for sum_day in (rebuild_store.sum_day, self._sum_areas):
            day = begin
            while day <= day_of(self._database.now(), self._time_zone):
                if self._stop.is_set():
                    return False
                async with self._database.system(locks=(rebuild_store.LOCK,)) as connection:
                    await sum_day(connection, self._time_zone, day)
                day += DAY
        async with self._database.system(locks=(rebuild_store.LOCK,)) as connection:
            await connection.execute(READY, self._time_zone)
            await connection.execute(REMOVE, self._time_zone)
        while not self._stop.is_set():
            async with self._database.system() as connection:
                if await _deleted(connection) == 0:
                    break
        return True

    async def _sum_areas(self, connection: Connection, zone: str, day: date) -> None:
        """Sum a day by area; on the last day of a month, and today, sum the month as well."""
        await rebuild_store.sum_areas(connection, zone, "DAY", day)
        if (day + DAY).day == 1 or day == day_of(self._database.now(), self._time_zone):
            await rebuild_store.sum_areas(connection, zone, "MONTH", day.replace(day=1))


async def _deleted(connection: Connection) -> int:
    statuses = [
        await connection.execute(CLEAR.format(table=table))
        for table in ("sales_by_day", "area_sales")
    ]
    return sum(int(status.rpartition(" ")[2]) for status in statuses)


CLAIM = """
update orders.sales_state set check_due_at = now() + $1::interval where check_due_at <= now()
returning only_row
"""
RECORD = "update orders.sales_state set checked_at = now(), differences = $1"
LAST = """
select differences, extract(epoch from now() - checked_at)::float as age from orders.sales_state
"""


class WeeklyCheck:
    """Counts all sales again from the ledger once a week, in one process at a time."""

    def __init__(self, database: Database, rebuild: Rebuild, *, every: timedelta = EVERY) -> None:
        self._database = database
        self._rebuild = rebuild
        self._every = every

    def loop(self, stop: asyncio.Event) -> Loop:
        every = min(LOOK_EVERY, self._every.total_seconds())
        return Loop("count sales again", self.round, stop, every=every)

    async def round(self) -> None:
        """Check if it is time, and export the last result, whichever replica has it."""
        async with self._database.system() as connection:
            claimed = await connection.fetchval(CLAIM, self._every)
        if claimed:
            await self.check()
        async with self._database.system() as connection:
            last = await connection.fetchrow(LAST)
        if last is not None and last["differences"] is not None:
            # Created by the first result: 0 would say that there are no differences.
            metrics.gauge(
                "esimgo_sales_differences", "Differences that the last check of sales found"
            ).set(last["differences"])
            metrics.gauge("esimgo_sales_checked_seconds", "Time since the last check of sales").set(
                last["age"]
            )

    async def check(self) -> Counts:
        """Compare all days, log the differences, and record their number."""
        counts, started = Counts(), datetime.now(UTC)
        async for difference in self._rebuild.run(None, counts, check=True):
            if counts.differences <= MAX_LOGGED:
                logger.error(
                    "sales differ: %s %s: %s",
                    difference.code,
                    difference.subject,
                    difference.message,
                )
        async with self._database.system() as connection:
            await connection.execute(RECORD, counts.differences)
        took = (datetime.now(UTC) - started).total_seconds()
        logger.info("sales of %s days were counted again in %.1f s", counts.days, took)
        return counts
