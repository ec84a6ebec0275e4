"""Orders that are not paid here get to the ledger in the background, once."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc
import pytest

from protos.common.v1 import money_pb2
from protos.orders.v1 import books_pb2, books_pb2_grpc, orders_pb2, orders_pb2_grpc
from services.orders.books import postings, store, unposted_store
from services.orders.payments import order_store
from tests.component.orders.coupons.coupon_shop import list_price
from tests.component.orders.shop import Shop, reaches, request

LEDGER = """
select t.kind, e.account, trim_scale(e.amount)::text as amount, e.currency
from orders.ledger_transactions t join orders.ledger_entries e on e.transaction_id = t.id
order by t.n, e.n
"""
NOTHING_WAITS = "select not exists (select from orders.unposted_orders)"


async def ledger(shop: Shop) -> list[tuple[str, ...]]:
    """Return the entries once nothing waits to be posted."""
    await shop.databases.until(NOTHING_WAITS)
    return [tuple(row) for row in await shop.databases.admin.fetch(LEDGER)]


async def test_a_sale_from_a_price_list_is_posted_with_its_tax_and_cost(shop: Shop) -> None:
    list_price(shop, "11.90", tax_rate="0.19", tax_country="DE")
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as stub:
        await stub.CreateOrder(request(shop), metadata=buyer)
        cost = shop.catalogue.bundles[shop.plan_id].price
        rounded = f"{round(cost, 2).normalize():f}"
        assert await ledger(shop) == [
            ("COST", "cost", rounded, "USD"),
            ("COST", "clearing:provider", f"-{rounded}", "USD"),
            ("SALE", "clearing:elsewhere", "11.9", "EUR"),
            ("SALE", "revenue", "-10", "EUR"),
            ("SALE", "tax:DE", "-1.9", "EUR"),
        ]


async def test_a_cancelled_order_gets_back_what_the_provider_pays_back(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as stub:
        order = (await stub.CreateOrder(request(shop, quantity=3), metadata=buyer)).order
        await stub.CancelOrder(orders_pb2.CancelOrderRequest(order_id=order.id), metadata=buyer)
        await reaches(shop, order.id, "REFUNDED")
        await shop.databases.until(
            "select count(*) = 2 from orders.ledger_transactions where kind like '%_RETURN'"
        )
        await ledger(shop)
    rows = await shop.databases.admin.fetch(
        "select account, sum(amount) as amount from orders.ledger_entries group by account"
    )
    left = {row["account"]: row["amount"] for row in rows}
    assert left["cost"] == left["clearing:provider"] == left["clearing:elsewhere"] == 0
    assert left["refunds"] == -left["revenue"]


# Forgets what was posted, except of the order $1, and has all orders posted again, in one round.
AGAIN = """
with forgotten as (
    delete from orders.ledger_transactions where order_id <> $1::text::uuid returning id
), entries as (
    delete from orders.ledger_entries where transaction_id in (select id from forgotten)
), other as (
    update orders.ledger_entries e set account = 'losses' from orders.ledger_transactions t
    where t.id = e.transaction_id and t.order_id = $1::text::uuid and e.account = 'revenue'
)
insert into orders.unposted_orders (order_id) select id from orders.esim_orders
"""


async def test_an_order_that_was_posted_differently_holds_up_no_other(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    buyer = await shop.session("buyer@example.com")
    admin = shop.databases.admin
    async with shop.open() as stub:
        ids = []
        for number in range(3):
            wanted = request(shop, idempotency_key=f"key-{number}")
            ids.append((await stub.CreateOrder(wanted, metadata=buyer)).order.id)
        await shop.databases.until(NOTHING_WAITS)
        for table in ("transactions", "entries"):
            await admin.execute(f"alter table orders.ledger_{table} disable trigger refuse_change")
        await admin.execute(AGAIN, ids[1])
        await shop.databases.until(NOTHING_WAITS)
    rows = await admin.fetch(
        "select order_id::text as id from orders.ledger_transactions where kind = 'SALE'"
    )
    assert {row["id"] for row in rows} == set(ids)
    assert f"order {ids[1]} was posted differently before" in caplog.text


async def test_a_failed_order_and_one_from_before_the_books_are_not_posted(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as stub:
        await shop.databases.admin.execute(
            "update orders.books set since = now() + interval '1 hour'"
        )
        await stub.CreateOrder(request(shop), metadata=buyer)
        await shop.databases.admin.execute("update orders.books set since = '2026-01-01'")
        await shop.fault(path="/orders", method="POST", status=400, body={"message": "no"})
        failed = request(shop, idempotency_key="key-2")
        await stub.CreateOrder(failed, metadata=buyer)
        assert await ledger(shop) == []


# As the trigger of a step that completes an order does.
REMEMBER = """
insert into orders.unposted_orders (order_id) values ($1)
on conflict (order_id) do update set at = now()
"""
BLOCKED = """
select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')
"""


async def test_an_order_is_posted_while_a_step_of_it_waits(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as stub:
        order = (await stub.CreateOrder(request(shop), metadata=buyer)).order
        await shop.databases.until(NOTHING_WAITS)
    order_id = UUID(order.id)
    await shop.databases.admin.execute(REMEMBER, order_id)
    async with shop.databases.open("orders") as database:

        async def step() -> None:
            async with database.system() as connection:
                await order_store.lock(connection, order_id)
                await connection.execute(REMEMBER, order_id)

        async with database.system() as connection:
            [taken] = await unposted_store.take(connection, [order_id])
            stepping = asyncio.create_task(step())
            await shop.databases.until(BLOCKED)
            # An entry of the ledger refers to the order.
            returned = postings.cost_returned(taken.order, 1, Decimal(0))
            await store.post(connection, returned, actor="test")
        await stepping
    left = await shop.databases.admin.fetchval("select order_id from orders.unposted_orders")
    assert left == order_id


async def test_the_finance_staff_lists_the_ledger_and_its_accounts(shop: Shop) -> None:
    list_price(shop, "10", tax_rate="0.25", tax_country="DE")
    buyer = await shop.session("buyer@example.com")
    finance = await shop.session("finance@example.com", role="finance")
    async with shop.channel() as channel:
        orders = orders_pb2_grpc.OrdersServiceStub(channel)
        books: Any = books_pb2_grpc.BooksServiceStub(channel)
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        await ledger(shop)
        wanted = books_pb2.ListLedgerRequest(page_size=1)
        first = await books.ListLedger(wanted, metadata=finance)
        [sale] = first.transactions
        assert (sale.kind, sale.order_id, sale.actor) == ("SALE", order.id, "books")
        assert [str(entry.account) for entry in sale.entries] == [
            *("clearing:elsewhere", "revenue", "tax:DE")
        ]
        assert list(first.row_tokens) == [first.next_page_token]
        wanted.page_token = first.next_page_token
        second = await books.ListLedger(wanted, metadata=finance)
        assert [one.kind for one in second.transactions] == ["COST"]
        assert not second.next_page_token
        for filtered, kinds in (
            ({"account": "revenue"}, ["SALE"]),
            ({"account": "fees"}, []),
            ({"order_id": order.id}, ["SALE", "COST"]),
            ({"from_date": sale.at}, ["SALE"]),
            ({"to_date": sale.at}, ["COST"]),
        ):
            answer = await books.ListLedger(
                books_pb2.ListLedgerRequest(**filtered), metadata=finance
            )
            # Both are posted in one transaction, at the same time.
            found = [one.kind for one in answer.transactions]
            assert found in (kinds, ["SALE", "COST"] if "from_date" in filtered else [])
        accounts = await books.ListAccounts(books_pb2.ListAccountsRequest(), metadata=finance)
        balances = {one.account: one.balance for one in accounts.accounts}
        assert balances["tax:DE"] == money_pb2.Money(currency_code="EUR", units=-2)
        assert balances["revenue"] == money_pb2.Money(currency_code="EUR", units=-8)
        past = books_pb2.ListAccountsRequest(at=order.created_at)
        assert not (await books.ListAccounts(past, metadata=finance)).accounts


@pytest.mark.parametrize("method", ["ListLedger", "ListAccounts"])
async def test_only_the_finance_staff_sees_the_books(shop: Shop, method: str) -> None:
    buyer = await shop.session("buyer@example.com")
    support = await shop.session("support@example.com", role="support")
    admin = await shop.session("admin@example.com", admin=True)
    async with shop.channel() as channel:
        books: Any = books_pb2_grpc.BooksServiceStub(channel)
        wanted = getattr(books_pb2, f"{method}Request")()
        for caller in (buyer, support):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await getattr(books, method)(wanted, metadata=caller)
            assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED
        for caller in (admin, shop.service_key):
            await getattr(books, method)(wanted, metadata=caller)
