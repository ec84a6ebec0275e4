"""Sales facts are recorded with the ledger, and say the same."""

import asyncio
import json
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from kit.db.database import Database
from protos.catalogue.v1 import prices_pb2
from services.orders.books import postings, store
from services.orders.order import Order
from services.orders.store import ALL_COLUMNS, read_row
from tests.component.orders.books.checked import busy, checked
from tests.component.orders.books.rows import place
from tests.component.orders.coupons.coupon_shop import list_price
from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.reports.recount import compared, figures, recorded
from tests.component.orders.shop import Shop, request
from tests.fixtures.postgres import Databases

SUMS_AGAIN = """
select f.currency, (f.at at time zone 'UTC')::date as day, sum(f.gross) as gross, sum(f.cost) as cost,
    sum(f.orders) as orders, sum(f.esims) as esims, sum(f.converted_gross) as converted, count(*) as facts
from orders.sales_figures f group by 1, 2 order by 1, 2
"""
SUMS = """
select currency, day, sum(gross) as gross, sum(cost) as cost, sum(orders) as orders,
    sum(esims) as esims, sum(converted_gross) as converted, sum(facts) as facts
from orders.sales_by_day where time_zone = 'UTC' group by 1, 2 order by 1, 2
"""


# Other ledger transactions, as after a restore: PostgreSQL has no statistics about them.
OTHERS = """
with others as (
    insert into orders.ledger_transactions (kind, key, actor)
    select 'COST', 'other:' || n, 'test' from generate_series(1, 2000) n returning id
)
insert into orders.ledger_entries (transaction_id, n, account, amount, currency)
select id, e.n, e.account, e.amount, 'USD' from others
cross join (values (1, 'cost', 1), (2, 'clearing:provider', -1)) e (n, account, amount)
"""
READ_WHOLE = """
select seq_tup_read from pg_stat_xact_user_tables where relid = 'orders.ledger_entries'::regclass
"""


async def same(admin: Any) -> None:
    """Facts agree with the ledger, and the sums by day with the facts."""
    await admin.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    expected, found = await figures(admin), await recorded(admin)
    assert expected
    assert compared(found) == compared(expected)
    assert [tuple(r) for r in await admin.fetch(SUMS)] == [
        tuple(r) for r in await admin.fetch(SUMS_AGAIN)
    ]


async def test_a_sale_from_a_price_list_has_facts_in_both_currencies(shop: Shop) -> None:
    list_price(shop, "11.90", tax_rate="0.19", tax_country="DE")
    listed = shop.catalogue.adjust

    def adjust(answer: prices_pb2.QuotePlanResponse) -> None:
        listed(answer)
        answer.terms.exchange_rate = "0.9"
        answer.plan.region = "Europe"

    shop.catalogue.adjust = adjust
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as stub:
        await stub.CreateOrder(request(shop, quantity=2), metadata=buyer)
        await shop.databases.until("select count(*) = 3 from orders.sales_facts")
    admin = shop.databases.admin
    rows = await admin.fetch(
        "select kind, amount, currency, converted, converted_currency, orders, esims from orders.sales_facts"
    )
    found = {row["kind"]: row for row in rows}
    sale = found["SALE"]
    assert (sale["amount"], sale["currency"]) == (20, "EUR")
    assert (sale["converted"], sale["converted_currency"]) == (Decimal("22.22"), "USD")
    assert (sale["orders"], sale["esims"]) == (1, 2)
    assert found["TAX"]["amount"] == Decimal("3.8")
    assert found["COST"]["currency"] == "USD"
    assert found["COST"]["converted_currency"] == "EUR"
    await same(admin)
    [described] = await admin.fetch("select * from orders.sales_dimensions")
    assert described["source"] == "SHOP"
    assert (described["area"], described["country"], described["region"]) == ("FR", "FR", "Europe")
    assert not await admin.fetchval("select sold_plan ? 'region' from orders.esim_orders")
    assert described["sale_currency"] == "EUR"


async def test_paid_refunded_and_cancelled_orders_have_the_facts_of_the_ledger(
    paid_shop: PaidShop,
) -> None:
    async with checked(paid_shop) as found:
        await busy(found)
        await found.read_balance()
        await same(found.admin)


async def order_of(databases: Databases, database: Database, total: str, **values: Any) -> Order:
    async with database.system() as connection:
        order_id = await place(connection, uuid4(), total, "EUR", paid_by="NOBODY")
    plan = {"title": "x", "countries": ["FR", "DE"], "duration_days": 7, "data_mb": None} | values
    await databases.admin.execute(
        "update orders.esim_orders set sold_plan = $2::text::jsonb, sold_region = 'Europe',"
        " tax_country = 'DE', exchange_rate = 0.9 where id = $1",
        order_id,
        json.dumps(plan),
    )
    return await read(database, order_id)


async def read(database: Database, order_id: UUID) -> Order:
    async with database.system() as connection:
        return read_row(
            await connection.fetchrow(
                f"select {ALL_COLUMNS} from orders.esim_orders o where id = $1",  # noqa: S608 - constants only
                order_id,
            )
        )


async def sell(database: Database, *orders: Order) -> None:
    async with database.system() as connection:
        for order in orders:
            wanted = postings.sold(order, paid_here=False), postings.cost(order)
            await store.post(connection, *wanted, actor="test")


async def test_a_free_order_counts_with_its_cost(databases: Databases) -> None:
    async with databases.open("orders") as database:
        await sell(database, await order_of(databases, database, "0"))
    [row] = await databases.admin.fetch("select kind, orders, esims from orders.sales_facts")
    assert tuple(row) == ("COST", 1, 1)
    assert await databases.admin.fetchval("select area from orders.sales_dimensions") == "Europe"
    await same(databases.admin)


async def test_a_transaction_that_is_rolled_back_leaves_nothing(databases: Databases) -> None:
    async with databases.open("orders") as database:
        order = await order_of(databases, database, "10")
        with pytest.raises(RuntimeError):
            async with database.system() as connection:
                await store.post(connection, postings.cost(order), actor="test")
                raise RuntimeError
        assert not await databases.admin.fetchval("select count(*) from orders.sales_facts")
        await sell(database, order)
    await same(databases.admin)


async def test_writers_of_the_same_sums_in_any_order_do_not_deadlock(databases: Databases) -> None:
    async with databases.open("orders") as database:
        plans = [await order_of(databases, database, "10", duration_days=n) for n in range(1, 7)]
        orders = [
            await order_of(databases, database, "10", duration_days=n)
            for _ in range(8)
            for n in range(1, 7)
        ]
        await sell(database, *plans)
        batches = [orders[n : n + 6] for n in range(0, len(orders), 6)]
        await asyncio.gather(
            *(sell(database, *(batch if n % 2 else batch[::-1])) for n, batch in enumerate(batches))
        )
    assert await databases.admin.fetchval("select sum(orders) from orders.sales_by_day") == 54
    await same(databases.admin)


async def test_a_sale_does_not_read_the_whole_ledger(databases: Databases) -> None:
    await databases.admin.execute("set session_replication_role = replica")
    await databases.admin.execute(OTHERS)
    await databases.admin.execute("reset session_replication_role")
    async with databases.open("orders") as database:
        order = await order_of(databases, database, "10")
        async with database.system() as connection:
            wanted = postings.sold(order, paid_here=False), postings.cost(order)
            await store.post(connection, *wanted, actor="test")
            await connection.execute("set constraints all immediate")
            assert await connection.fetchval(READ_WHOLE) == 0
            assert await connection.fetchval("select count(*) from orders.sales_facts") == 2


async def test_facts_never_change(databases: Databases) -> None:
    async with databases.open("orders") as database:
        await sell(database, await order_of(databases, database, "10"))
        for statement in (
            "update orders.sales_facts set amount = 0",
            "delete from orders.sales_facts",
            "update orders.sales_dimensions set area = ''",
        ):
            with pytest.raises(Exception, match="never change"):
                await databases.admin.execute(statement)
