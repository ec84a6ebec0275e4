"""Facts are recomputed from the ledger, and sums from the facts; missing ones are recorded."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kit.db.reports import SHARED, ReportsDatabase
from kit.errors import Failure
from services.orders.reports import upkeep
from services.orders.reports.difference import Counts
from services.orders.reports.rebuild import Rebuild
from services.orders.reports.upkeep import WeeklyCheck, Zone
from tests.component.orders.reports.reporting import Reporting, reporting
from tests.component.orders.shop import Shop
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases

MENDED = [
    ("delete from orders.sales_facts where kind = 'SALE'", {"FACT_MISSING", "SUM_DIFFERS"}),
    ("update orders.sales_by_day set gross = gross + 1", {"SUM_DIFFERS"}),
    ("delete from orders.sales_by_day", {"SUM_DIFFERS"}),
    ("update orders.area_sales set gross = gross + 1 where unit = 'DAY'", {"SUM_DIFFERS"}),
    ("update orders.area_sales set facts = facts + 1 where unit = 'MONTH'", {"SUM_DIFFERS"}),
    (
        "update orders.area_sales set sold_orders = sold_orders + 1 where unit = 'DAY'",
        {"SUM_DIFFERS"},
    ),
    ("delete from orders.area_sales", {"SUM_DIFFERS"}),
]
LEFT = [
    ("update orders.sales_facts set amount = amount + 1", {"FACT_DIFFERS", "SUM_DIFFERS"}),
    (
        "insert into orders.sales_facts"
        " select gen_random_uuid(), n, at, sold_at, kind, amount, currency, converted, converted_currency,"
        " exchange_rate, order_id, orders, esims, dimension_id from orders.sales_facts",
        {"FACT_UNEXPECTED", "SUM_DIFFERS"},
    ),
]


async def left_after(shown: Reporting, change: str, codes: set[str]) -> bool:
    """Return whether a difference is left that was found, and rebuilt once."""
    assert (await shown.rebuild(check=True))[0] == []
    await shown.force(change)
    found, _ = await shown.rebuild(check=True)
    assert {one.code for one in found} == codes, change
    assert all("docs/runbooks/reports.md" in one.message for one in found)
    again, _ = await shown.rebuild(check=False)
    assert {one.code for one in again} == codes, change
    left, summary = await shown.rebuild(check=True)
    assert summary.ledger_transactions == 2
    return bool(left)


async def test_a_difference_is_found_and_mended(shop: Shop) -> None:
    async with reporting(shop) as shown:
        await shown.buy()
        before = await shown.sales()
        for change, codes in MENDED:
            assert not await left_after(shown, change, codes), change
            assert (await shown.sales()).totals == before.totals, change


@pytest.mark.parametrize(("change", "codes"), LEFT)
async def test_a_difference_stays_if_something_had_to_be_changed(
    shop: Shop, change: str, codes: set[str]
) -> None:
    async with reporting(shop) as shown:
        await shown.buy()
        assert await left_after(shown, change, codes)


async def test_sums_of_the_day_of_a_sale_are_mended_with_those_of_its_refund(shop: Shop) -> None:
    async with reporting(shop) as shown:
        await shown.buy_and_refund(days=40)
        assert (await shown.rebuild(check=True))[0] == []
        day = await shop.databases.admin.fetchval("select max(day) from orders.sales_by_day")
        await shown.force("delete from orders.sales_by_day where day = $1", day)
        await shown.force("update orders.area_sales set sold_refunds = 0")
        found, _ = await shown.rebuild(check=False, from_day=day.isoformat())
        assert {one.subject for one in found} == {day.isoformat()}
        assert (await shown.rebuild(check=True))[0] == []


RETURN = """
insert into orders.order_revocations
    (order_id, assignment_id, customer_id, iccid, bundle_name, to_balance, state, refund, updated_at)
select o.id, $1::text, o.customer_id, '8944', o.bundle_name, false, 'REVOKED', 'INVENTORY', $2
from orders.esim_orders o
"""


async def test_returns_on_several_days_are_checked_as_they_are_rounded_together(shop: Shop) -> None:
    async with reporting(shop) as shown:
        await shown.buy(quantity=3)
        admin = shop.databases.admin
        await shown.force("update orders.esim_orders set charged_cost = 10")
        for days in (20, 10):
            at = datetime.now(UTC) - timedelta(days=days)
            await shown.force(RETURN, str(days), at)
            await admin.execute(
                "select orders.record_inventory_sales(array_agg(id)) from orders.esim_orders"
            )
        amounts = "select amount from orders.sales_facts where kind = 'INVENTORY' order by at"
        facts = [row["amount"] for row in await admin.fetch(amounts)]
        assert facts == [Decimal("3.33"), Decimal("3.34")]
        from_day = (datetime.now(UTC) - timedelta(days=15)).date().isoformat()
        found, _ = await shown.rebuild(check=True, from_day=from_day)
        assert [one.message for one in found] == []


async def test_the_weekly_check_finds_a_difference(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    async with reporting(shop) as shown:
        await shown.buy()
        await shown.force("update orders.sales_by_day set gross = gross + 1")
    # The service has ended: it would make the check too.
    async with shop.databases.open("orders") as database:
        await shown.force("update orders.sales_state set check_due_at = now()")
        weekly = WeeklyCheck(database, Rebuild(database, "UTC"), every=timedelta(0))
        await weekly.round()
    assert await shop.databases.admin.fetchval("select differences from orders.sales_state") == 1
    assert "sales differ: SUM_DIFFERS" in caplog.text


async def test_older_ledger_transactions_get_their_facts_in_steps(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LOOK_EVERY", 86_400.0)  # the service itself records none
    async with reporting(shop) as shown:
        for _ in range(3):
            await shown.buy()
        before = await shown.sales()
        # As if they had been posted before there were facts.
        await shown.force("delete from orders.sales_facts")
        await shown.force("delete from orders.sales_by_day")
        await shown.force("delete from orders.area_sales")
        await shown.force("delete from orders.sales_dimensions")
        await shown.force(
            "update orders.sales_state set recorded_until = 0,"
            " to_record_until = (select max(n) from orders.ledger_transactions)"
        )
        empty = await shown.sales()
        assert (empty.totals[0].figures.orders, empty.complete) == (0, False)
        assert (await shown.rebuild(check=True))[0] == []
        async with shop.databases.open("orders") as database:
            while await upkeep.record_older(database, step=2):
                pass
        after = await shown.sales()
        assert (after.totals, after.complete) == (before.totals, True)
        assert (await shown.rebuild(check=True))[0] == []


async def test_another_time_zone_is_summed_while_purchases_go_on(shop: Shop) -> None:
    async with reporting(shop) as shown:
        await shown.buy()
        async with shop.databases.open("orders") as database:
            stop = asyncio.Event()
            done = asyncio.create_task(Zone(database, "Pacific/Kiritimati", stop=stop).round())
            await shown.buy()
            await done
            zones = "select string_agg(time_zone, ',') from orders.sales_zones where ready"
            assert await shop.databases.admin.fetchval(zones) == "Pacific/Kiritimati"
            await shown.buy()
            rebuild = Rebuild(database, "Pacific/Kiritimati")
            assert [d async for d in rebuild.run(None, Counts(), check=True)] == []
        rows = await shop.databases.admin.fetch(
            "select time_zone, sum(orders) as orders from orders.sales_by_day group by 1"
            " union all select time_zone, sum(orders) from orders.area_sales group by 1, unit"
        )
        assert [tuple(row) for row in rows] == [("Pacific/Kiritimati", 3)] * 3
        # Days of the former zone are counted from facts.
        assert (await shown.sales()).totals[0].figures.orders == 3


async def test_reports_only_read_and_stop_after_their_time(databases: Databases) -> None:
    async with databases.open("orders") as database:
        reports = ReportsDatabase(database, None, owner="orders", needs="")
        async with reports.snapshot() as connection:
            assert await connection.fetchval("select current_user::text") == "orders_reports"
        with pytest.raises(Exception, match="does not accept writes"):
            async with reports.snapshot() as connection:
                await connection.execute("delete from orders.sales_by_day")
        with pytest.raises(Exception, match="permission denied"):
            async with reports.snapshot() as connection:
                await connection.execute("select matching_id from orders.order_esims")
        with pytest.raises(Failure, match="longer than 5 seconds"):
            async with reports.snapshot() as connection:
                await connection.execute("select pg_sleep(30)")


async def test_reports_leave_connections_to_other_work(databases: Databases) -> None:
    over = asyncio.Event()
    open_ = "select count(*) >= $1 from pg_stat_activity where datname = current_database()"
    async with databases.open("orders") as database:
        reports = ReportsDatabase(database, None, owner="orders", needs="")

        async def report() -> None:
            async with reports.snapshot():
                await over.wait()

        reading = [asyncio.create_task(report()) for _ in range(3 * SHARED)]
        try:
            await databases.until(f"{open_} and state = 'idle in transaction'", SHARED)
            async with asyncio.timeout(PATIENCE), database.system() as connection:
                assert await connection.fetchval("select true")
        finally:
            over.set()
            await asyncio.gather(*reading)


async def test_reports_may_have_their_own_login(databases: Databases) -> None:
    url = databases.server.url(databases.name, "orders_reports")
    async with databases.open("orders") as database:
        reports = ReportsDatabase(database, url, owner="orders", needs="064_record_sales")
        async with reports.snapshot() as connection:
            assert await connection.fetchval("select session_user::text") == "orders_reports"
            assert await connection.fetchval("select count(*) from orders.sales_facts") == 0
        await reports.close()
        away = ReportsDatabase(
            database,
            "postgresql://orders_reports@127.0.0.1:1/x",
            owner="orders",
            needs="064_record_sales",
        )
        with pytest.raises(Failure) as refused:
            async with away.snapshot():
                pass
        assert refused.value.reason == "REPORTS_DATABASE_UNAVAILABLE"
