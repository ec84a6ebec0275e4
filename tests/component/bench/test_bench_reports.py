"""The benchmark of reports: facts as the platform records them, and sums that fit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bench import reports, reports_facts
from kit.db.reports import ReportsDatabase
from kit.reports.periods import Days, Interval
from services.orders.reports import rebuild_store, requests, sources
from services.orders.reports.report import Dimension, Wanted
from services.orders.reports.sales import Sales
from services.orders.reports.sources import Source
from tests.fixtures.postgres import Databases

FACTS = 4000


async def test_its_facts_are_summed_as_those_of_purchases(databases: Databases) -> None:
    first, last = reports_facts.period(datetime.now(UTC).date())
    admin = databases.admin
    await reports_facts.fill(admin, FACTS, first, last)
    made = await admin.fetchval("select count(*) from orders.sales_facts")
    assert abs(made - FACTS) < FACTS / 10
    months = {(last - timedelta(days=days)).replace(day=1) for days in range(365)}
    async with databases.open("orders") as database:
        async with database.system() as connection:
            for day in (first, last, last - timedelta(days=1)):
                assert await rebuild_store.sums_differ(connection, "UTC", day) is None
                assert await rebuild_store.areas_differ(connection, "UTC", "DAY", day) is None
            for month in months:
                assert await rebuild_store.areas_differ(connection, "UTC", "MONTH", month) is None
        found = await Sales(
            ReportsDatabase(database, None, owner="orders", needs=""), "UTC"
        ).report(Wanted(Days(first, last), Interval.RANGE, group_by=(Dimension.CURRENCY,)))
    gross = "select sum(amount) from orders.sales_facts where kind in ('SALE', 'TAX') and currency = 'GBP'"
    [pounds] = [row for row in found.rows if (row.groups[0].value, row.currency) == ("GBP", "GBP")]
    assert pounds.figures.gross == await admin.fetchval(gross) > Decimal(100)


def test_the_reports_that_have_a_bound_read_the_smallest_sums() -> None:
    measured = reports.reports(*reports_facts.period(datetime(2026, 11, 28, tzinfo=UTC).date()))
    for name in reports.BOUNDS:
        wanted = requests.sales(measured[name])
        assert sources.source(wanted, summed=True) is Source.AREAS


def test_a_young_shop_is_measured_with_reports_of_its_days_only() -> None:
    first, last = reports_facts.period(datetime(2026, 11, 28, tzinfo=UTC).date(), 73)
    measured = reports.reports(first, last)
    assert measured
    assert all(str(first) <= request.range.from_day for request in measured.values())
    assert not [name for name in measured if "year" in name]
