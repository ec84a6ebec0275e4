"""Time of sales reports over many facts, their storage, and what recording sales adds to a purchase.

`make bench-reports` runs the platform as processes with the sandboxes as its providers. ROWS is the number of
sales facts of two years. Two shops with a tenth of them are measured first, to see how each report grows: one
that has sold as much a day for a tenth of the time, and one with a tenth as much a day for two years.
"""

import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from bench import reports_facts, reports_purchase
from bench.purchase import SETTINGS
from bench.purchase_paid import PAID
from kit.rpc import client as rpc_client
from protos.common.v1 import days_pb2
from protos.orders.v1 import reports_pb2 as pb
from protos.orders.v1 import reports_pb2_grpc
from services.orders.reports import requests, sales, sales_store, sources
from services.orders.reports.sources import Ranged, Source
from tests.chaos.purchase.machine import Machine, running

ROUNDS = 15
TIMEOUT = 30.0
# Milliseconds.
BOUNDS = {"30 days by day and country": 200.0, "a year by month": 500.0}
# The most that purchases may become slower at p50, in milliseconds.
ADDED = 2.0
# How many times as many rows a report may read of ten times the facts in the same two years: facts grow with
# the sales.
GROWTH = {Source.FACTS: 11.0}
# The same of ten times the facts in ten times as many days, which are as many facts in the range.
AGED = 1.1
TABLES = ("sales_facts", "sales_by_day", "area_sales", "sales_dimensions")
# A day, or a month, has at most one sum by area for each of these, with any number of facts.
CELLS = """
select count(*) from (
    select distinct area, sale_currency, currency, converted_currency from orders.area_sales
) c
"""
MB = 2**20
# Titles and widths of the columns of each shop.
COLUMNS = (("p50", 8), ("worst", 8), ("rows", 10))


@dataclass(frozen=True, slots=True)
class Measured:
    """A report's time at p50 and at its worst, in milliseconds, and how many rows of the tables it reads.

    `most` is how many rows it can read with any number of facts; None if they grow with the facts.
    """

    source: Source
    p50: float
    worst: float
    read: int
    most: int | None


def reports(first: date, last: date) -> dict[str, pb.GetSalesRequest]:
    """Return the reports about a shop with sales from `first`. `last` is the last day of their range."""
    month, year = (_range(last - timedelta(days=days - 1), last) for days in (30, 365))
    country, plan = pb.SALES_DIMENSION_COUNTRY, pb.SALES_DIMENSION_PLAN
    day, monthly = days_pb2.INTERVAL_DAY, days_pb2.INTERVAL_MONTH
    get_sales = pb.GetSalesRequest
    made = {
        # As GraphQL requests it: the first 100 countries, and one row for the others.
        "30 days by day and country": get_sales(
            range=month, interval=day, group_by=[country], currency="EUR", first=100
        ),
        "30 days by day and country, all 200": get_sales(
            range=month, interval=day, group_by=[country], currency="EUR", first=1000
        ),
        "a year by month": get_sales(range=year, interval=monthly, currency="EUR"),
        "twelve whole months by month": get_sales(
            range=_whole_months(last), interval=monthly, currency="EUR"
        ),
        "a year by month, beside the year before": get_sales(
            range=year, interval=monthly, currency="EUR", compare_to=pb.COMPARISON_YEAR_BEFORE
        ),
        "a year by month and country": get_sales(
            range=year, interval=monthly, group_by=[country], currency="EUR", first=50
        ),
        "30 days, the first 20 plans": get_sales(
            range=month, interval=days_pb2.INTERVAL_RANGE, group_by=[plan], currency="EUR", first=20
        ),
        "30 days by day and country, another zone": get_sales(
            range=month,
            interval=day,
            group_by=[country],
            currency="EUR",
            first=100,
            time_zone="Asia/Kolkata",
        ),
    }
    return {name: request for name, request in made.items() if request.range.from_day >= str(first)}


def _range(first: date, last: date) -> days_pb2.DayRange:
    return days_pb2.DayRange(from_day=first.isoformat(), to_day=last.isoformat())


def _whole_months(last: date) -> days_pb2.DayRange:
    """Return the newest twelve calendar months that have ended."""
    after = (last + timedelta(days=1)).replace(day=1)
    return _range(after.replace(year=after.year - 1), after - timedelta(days=1))


@click.command()
@click.option("--rows", envvar="ROWS", default=10_000_000, show_default=True)
@click.option("--purchases", envvar="PURCHASES", default=200, show_default=True)
def main(rows: int, purchases: int) -> None:
    """Measure reports over ROWS facts, and exit with 1 if a bound is exceeded."""
    click.echo(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" load before the run {os.getloadavg()[0]:.1f}"
    )
    sys.exit(asyncio.run(_main(rows, purchases)))


async def _main(rows: int, purchases: int) -> int:
    async with running(SETTINGS | PAID, say=click.echo) as machine:
        token = await machine.token("finance@example.com", "finance")
        young = await _filled(machine, token, rows // 10, reports_facts.DAYS // 10)
        few = await _filled(machine, token, rows // 10, reports_facts.DAYS)
        many = await _filled(machine, token, rows, reports_facts.DAYS)
        failed = _report(young, few, many)
        click.echo()
        return int(await reports_purchase.measure(machine, purchases, ADDED) or failed)


async def _filled(machine: Machine, token: str, rows: int, days: int) -> dict[str, Measured]:
    """Measure the reports over so many facts of so many days."""
    first, last = reports_facts.period(datetime.now(UTC).date(), days)
    began = time.perf_counter()
    async with machine.database() as connection:
        # The facts have no ledger.
        await connection.execute(
            "update orders.sales_state set check_due_at = now() + interval '1 year'"
        )
        await reports_facts.fill(connection, rows, first, last)
        click.echo(f"\n{rows:,} facts of {days} days, made in {time.perf_counter() - began:.0f} s")
        await _storage(connection)
    found = {}
    async with rpc_client.channel(machine.addresses["orders"]) as channel:
        stub: Any = reports_pb2_grpc.ReportsServiceStub(channel)
        for name, request in reports(first, last).items():
            durations = []
            for _ in range(ROUNDS + 1):
                began = time.perf_counter()
                await rpc_client.call(stub.GetSales, request, token=token, timeout=TIMEOUT)
                durations.append((time.perf_counter() - began) * 1000)
            # The first call plans the statement.
            found[name] = await _measured(machine, request, durations[1:])
    return found


async def _storage(connection: Any) -> None:
    total = 0.0
    facts = await connection.fetchval("select count(*) from orders.sales_facts")
    for table in TABLES:
        count, size = await connection.fetchrow(
            f"select count(*), pg_total_relation_size('orders.{table}') from orders.{table}"  # noqa: S608 - constants
        )
        total += size
        click.echo(f"{table:<20}{count:>12,} rows{size / MB:>10,.0f} MB with indexes")
    click.echo(f"storage of a million facts with their sums: {total / MB * 1e6 / facts:,.0f} MB")


async def _measured(
    machine: Machine, request: pb.GetSalesRequest, durations: list[float]
) -> Measured:
    """Add the number of rows that the statement of a report reads."""
    wanted = requests.sales(request)
    zone = wanted.time_zone or reports_facts.ZONE
    async with machine.database() as connection:
        source = sources.source(wanted, summed=zone == reports_facts.ZONE)
        explained = _Explained(connection)
        await sales_store.cells(
            explained,  # type: ignore[arg-type] # has the only method that is called
            wanted,
            zone,
            sales.ranges_of(wanted),
            source,
            limit=sales.MAX_ROWS + 1,
        )
        most = None
        if source is Source.AREAS:
            most = await connection.fetchval(CELLS) * sum(map(_summed, sales.ranges_of(wanted)))
    return Measured(source, statistics.median(durations), max(durations), explained.read, most)


def _summed(ranged: Ranged) -> int:
    """Return of how many days and months the sums by area of a range are read."""
    return sum(
        part.days.whole_months if part.unit == "MONTH" else part.days.number
        for part in sources.parts(ranged)
    )


class _Explained:
    """A connection that explains a statement, instead of returning its rows."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.read = 0

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        explained = await self._connection.fetchval(
            f"explain (analyze, format json, timing off) {query}", *arguments
        )
        self.read = _read(json.loads(explained)[0]["Plan"])
        return []


def _read(plan: Mapping[str, Any]) -> int:
    """Return how many rows of facts and sums a plan reads."""
    own = 0
    if plan.get("Relation Name") in TABLES[:3]:
        own = round(
            (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
        )
    return own + sum(_read(part) for part in plan.get("Plans", ()))


def _report(
    young: Mapping[str, Measured], few: Mapping[str, Measured], many: Mapping[str, Measured]
) -> bool:
    """Print the table; True if a bound is exceeded."""
    shops = ("a tenth of the time", "a tenth of the sales", "all facts")
    click.echo(
        f"\n{'milliseconds, and rows that are read':<44}"
        + "".join(f"{shop:>26}" for shop in shops)
        + f"\n{'':<44}"
        + "".join(f"{title:>{width}}" for title, width in COLUMNS * len(shops))
    )
    failed = False
    for name, measured in many.items():
        bounds = _bounds(name, young.get(name), few[name], measured)
        failed = failed or not all(holds for _, holds in bounds)
        click.echo(
            f"{name:<44}"
            + "".join(_shown(of.get(name)) for of in (young, few, many))
            + f"   {measured.source}"
            + "".join(f"; {bound}{'' if holds else ' EXCEEDED'}" for bound, holds in bounds)
        )
    return failed


def _shown(measured: Measured | None) -> str:
    if measured is None:
        return " " * sum(width for _, width in COLUMNS)
    return f"{measured.p50:>8.0f}{measured.worst:>8.0f}{measured.read:>10}"


def _bounds(
    name: str, young: Measured | None, few: Measured, many: Measured
) -> list[tuple[str, bool]]:
    """Return the bounds of a report as text, and whether each holds."""
    bounds = []
    if (most := BOUNDS.get(name)) is not None:
        bounds.append((f"below {most:.0f} ms", many.p50 < most))
    if young is not None:
        grows = many.read / max(1, young.read)
        bounds.append((f"{grows:.2f} times the rows in ten times the days", grows <= AGED))
    if (most := GROWTH.get(many.source)) is not None:
        grows = many.read / max(1, few.read)
        bounds.append((f"{grows:.1f} times the rows with ten times the sales", grows <= most))
    if many.most is not None:
        text = (
            f"at most {many.most:,} rows with any number of facts, of which {few.read / many.most:.0%} exist"
            f" with a tenth of the sales, {many.read / many.most:.0%} with all"
        )
        bounds.append((text, many.read <= many.most))
    return bounds


if __name__ == "__main__":
    main(prog_name="bench-reports")
