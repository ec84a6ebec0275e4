"""Compares sales facts with the ledger, and sums by day with the facts; records what is missing."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from kit.db.database import Connection, Database
from kit.reports.periods import day_of
from services.orders.books.difference import shown
from services.orders.reports import rebuild_store
from services.orders.reports.difference import Counts, Difference

DAY = timedelta(days=1)
# Ledger transactions whose facts are recorded together.
STEP = 500
RUNBOOK = "see docs/runbooks/reports.md"


class Rebuild:
    """Counts sales again. Days are those of `time_zone`."""

    def __init__(self, database: Database, time_zone: str) -> None:
        self._database = database
        self._time_zone = time_zone

    async def run(
        self, first: date | None, counts: Counts, *, check: bool
    ) -> AsyncIterator[Difference]:
        """Yield each difference from a day on, None for all; unless `check`, remove it.

        Each day is read in one state of the database, so purchases meanwhile are no differences.
        """
        begin = await self._begin(first)
        if begin is None:
            return
        day, zone = begin, ZoneInfo(self._time_zone)
        while day <= day_of(self._database.now(), self._time_zone):
            counts.days += 1
            async for found in self._day(day, counts, check=check):
                counts.differences += 1
                yield found
            day += DAY
        async for found in self._inventory(
            datetime.combine(begin, datetime.min.time(), zone), check
        ):
            counts.differences += 1
            yield found

    async def _begin(self, first: date | None) -> date | None:
        async with self._database.system(snapshot=True) as connection:
            moment = await rebuild_store.first_moment(connection)
        if moment is None:
            return None
        # In any zone, the first day is at most one earlier.
        earliest = day_of(moment, self._time_zone) - DAY
        return max(earliest, first) if first else earliest

    async def _day(self, day: date, counts: Counts, *, check: bool) -> AsyncIterator[Difference]:
        async with self._database.system(snapshot=True) as connection:
            start, until = await rebuild_store.bounds(connection, day, self._time_zone)
            ids = await rebuild_store.acts(connection, start, until)
            counts.ledger_transactions += len(ids)
            counts.facts += await rebuild_store.count(connection, start, until)
            wrong = await rebuild_store.wrong(connection, ids, start, until)
            zones = await rebuild_store.zones(connection)
            sums = {zone: await self._sums(connection, zone, day) for zone in zones}
        for row in wrong:
            yield _fact(row)
        for zone, differing in sums.items():
            for what, row in differing.items():
                yield _sums(day, zone, what, row)
        if check:
            return
        if any(row["code"] == "FACT_MISSING" for row in wrong):
            # All of the day: `wrong` is cut, and what has its facts keeps them.
            await self._record(ids, day, counts)
        for zone in zones:
            if sums[zone]:
                await self._sum(zone, day)

    async def _sum(self, zone: str, day: date) -> None:
        """Sum a day again, its month, and the days on which the orders of its facts were sold."""
        async with self._database.system(locks=(rebuild_store.LOCK,)) as connection:
            days = await rebuild_store.sum_day(connection, zone, day) - {day}
            await rebuild_store.sum_areas(connection, zone, "DAY", day)
            await rebuild_store.sum_areas(connection, zone, "MONTH", day.replace(day=1))
        areas = [("DAY", one) for one in days]
        areas += [("MONTH", month) for month in {one.replace(day=1) for one in days}]
        for unit, one in areas:
            async with self._database.system(locks=(rebuild_store.LOCK,)) as connection:
                await rebuild_store.sum_areas(connection, zone, unit, one)

    async def _sums(self, connection: Connection, zone: str, day: date) -> dict[str, Any]:
        """Return which sums of a day differ, and those of its month if it ends or is the current one."""
        found = {"day": await rebuild_store.sums_differ(connection, zone, day)}
        if found["day"] is None:
            # Otherwise they differ as well.
            found["day by area"] = await rebuild_store.areas_differ(connection, zone, "DAY", day)
        if (day + DAY).day == 1 or day == day_of(self._database.now(), self._time_zone):
            month = day.replace(day=1)
            found["month by area"] = await rebuild_store.areas_differ(
                connection, zone, "MONTH", month
            )
        return {what: row for what, row in found.items() if row is not None}

    async def _record(self, ids: Sequence[UUID], day: date, counts: Counts) -> None:
        async with self._database.system() as connection:
            start, until = await rebuild_store.bounds(connection, day, self._time_zone)
            before = await rebuild_store.count(connection, start, until)
        for at in range(0, len(ids), STEP):
            async with self._database.system() as connection:
                await rebuild_store.record(connection, ids[at : at + STEP])
        async with self._database.system() as connection:
            counts.recorded += await rebuild_store.count(connection, start, until) - before

    async def _inventory(self, since: datetime, check: bool) -> AsyncIterator[Difference]:
        async with self._database.system(snapshot=True) as connection:
            wrong = await rebuild_store.inventory(connection, since)
        for row in wrong:
            yield Difference(
                "INVENTORY_DIFFERS",
                str(row["id"]),
                f"bundles for {shown(row['amount'], row['currency'])} went to the inventory, but the facts"
                f" say {shown(row['found'], row['currency'])}; {RUNBOOK}",
            )
        if wrong and not check:
            async with self._database.system() as connection:
                await rebuild_store.record_inventory(connection, [row["id"] for row in wrong])


def _fact(row: Any) -> Difference:
    ledger = f"{row['kind']} {shown(row['amount'], row['currency'])}" if row["kind"] else "nothing"
    fact = (
        f"{row['found_kind']} {shown(row['found_amount'], row['found_currency'])}"
        if row["found_kind"]
        else "nothing"
    )
    text = f"for entry {row['n']} the ledger says {ledger}, and the facts {fact}; {RUNBOOK}"
    return Difference(row["code"], str(row["transaction_id"]), text)


def _sums(day: date, zone: str, what: str, row: Any) -> Difference:
    text = (
        f"{row['number']} sums of the {what} in {zone} differ: gross {row['kept_gross']:f} of"
        f" {row['kept_facts']} facts, instead of {row['gross']:f} of {row['facts']}"
    )
    if "sold_facts" in row:
        text += (
            f"; by day of sale {row['kept_sold_gross']:f} of {row['kept_sold_facts']}, instead of"
            f" {row['sold_gross']:f} of {row['sold_facts']}"
        )
    return Difference("SUM_DIFFERS", day.isoformat(), f"{text}; {RUNBOOK}")
