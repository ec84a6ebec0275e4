"""Costs of orders: recorded for staff, out of reach of customers, and filled in for older orders."""

import asyncio
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from kit.auth.sessions import Role, Session
from kit.values import money
from protos.orders.v1 import orders_pb2
from services.orders.operators.backfill import Backfill
from tests.component.orders.shop import Shop, request

COSTS = (
    *("expected_cost", "charged_cost", "cost_currency", "charged_currency", "cost_above"),
    *("max_unit_cost", "rule_version", "exchange_rate", "exchange_rate_at"),
)
# As a process of the previous release records orders.
BEFORE = """
update orders.esim_orders
set expected_cost = null, charged_cost = null, cost_currency = null, charged_currency = null,
    rule_version = null, exchange_rate = null, tax_rate = null, includes_tax = null,
    tax_amount = null, discount = null
"""
MISSING = "select count(*) from orders.esim_orders where expected_cost is null"


async def test_an_order_at_cost_records_its_cost_and_the_plan_as_sold(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as orders:
        order = (await orders.CreateOrder(request(shop, quantity=2), metadata=buyer)).order
        wanted = orders_pb2.GetOrderRequest(order_id=order.id)
        by_service = (await orders.GetOrder(wanted, metadata=shop.service_key)).order
    cost = 2 * Decimal(str(shop.catalogue.bundles[shop.plan_id].price))
    row = await shop.row(order.id)
    assert (row["expected_cost"], row["charged_cost"], row["cost_currency"]) == (cost, cost, "USD")
    assert (row["price_list"], row["rule_version"], row["exchange_rate"]) == (None, 0, 1)
    assert (row["tax_amount"], row["discount"]) == (0, 0)
    assert not order.HasField("cost")
    assert not order.HasField("discount")
    assert order.tax_rate == order.coupon_code == ""
    assert order.HasField("sold_plan")
    assert money.from_proto(by_service.cost.expected) == cost
    assert money.from_proto(by_service.cost.charged) == cost
    assert by_service.cost.price_list == ""


async def test_costs_are_shown_to_finance_and_administrators_only(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    seen: dict[str, bool] = {}
    async with shop.open() as orders:
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        for role in ("support", "finance", "admin"):
            token = (await shop.auth.sign_in(f"{role}@example.com", role=role))["access_token"]
            staff = (("authorization", f"Bearer {token}"),)
            one = await orders.GetOrder(
                orders_pb2.GetOrderRequest(order_id=order.id), metadata=staff
            )
            many = await orders.BatchGetOrders(
                orders_pb2.BatchGetOrdersRequest(order_ids=[order.id]), metadata=staff
            )
            page = await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=staff)
            found = [one.order, *many.orders, *page.orders]
            assert len(found) == 3
            assert len({o.HasField("cost") for o in found}) == 1
            seen[role] = found[0].HasField("cost")
    assert seen == {"support": False, "finance": True, "admin": True}


async def test_no_session_can_read_a_cost_from_the_database(shop: Shop) -> None:
    async with shop.databases.open("orders") as database:
        for role in (Role.CUSTOMER, Role.SUPPORT, Role.FINANCE, Role.ADMIN):
            claims = {"sub": str(UUID(int=1)), "app_metadata": {"role": role.value}}
            session = Session(role, UUID(int=1), claims, "", None)
            async with database.session(session) as connection:
                await connection.fetch("select discount, sold_plan from orders.esim_orders")
            for column in COSTS:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with database.session(session) as connection:
                        await connection.fetch(f"select {column} from orders.esim_orders")  # noqa: S608 - constants


async def test_the_data_that_customers_get_contains_no_costs(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as orders:
        await orders.CreateOrder(request(shop), metadata=buyer)
        customer = str(await shop.auth.user_id("buyer@example.com"))
        wanted = orders_pb2.ExportCustomerRequest(customer_id=customer)
        rows = [
            json.loads(message.row_json)
            async for message in orders.ExportCustomer(wanted, metadata=shop.service_key)
            if message.table == "esim_orders"
        ]
    assert len(rows) == 1
    assert not rows[0].keys() & set(COSTS)
    assert rows[0]["sold_plan"]


async def test_older_orders_get_their_costs_in_batches(shop: Shop) -> None:
    admin = shop.databases.admin
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as orders:
        for number in range(5):
            key = str(number)
            await orders.CreateOrder(request(shop, idempotency_key=key), metadata=buyer)
        await shop.fault(method="POST", path="/orders", status=400)
        await orders.CreateOrder(request(shop, idempotency_key="failed"), metadata=buyer)
        await forget(shop)
        stop = asyncio.Event()
        async with shop.databases.open("orders") as database:
            stopped = asyncio.Event()
            stopped.set()
            assert await Backfill(database, stop=stopped, step=2).record() == 0
            assert await admin.fetchval(MISSING) == 6
            one = Backfill(database, stop=stop, step=2)
            two = Backfill(database, stop=stop, step=2)
            recorded = await asyncio.gather(one.record(), two.record())
            # A batch that was locked by the other one ends a round.
            assert sum(recorded) + await one.record() == 6
            assert await one.record() == 0
        # A repeated request still finds its order.
        again = await orders.CreateOrder(request(shop, idempotency_key="0"), metadata=buyer)
        assert again.repeated_request
    rows = await admin.fetch("select * from orders.esim_orders")
    for row in rows:
        failed = row["status"] == "FAILED"
        assert row["expected_cost"] == row["total_price"] > 0
        assert row["charged_cost"] == (None if failed else row["total_price"])
        assert (row["cost_currency"], row["exchange_rate"]) == (row["currency"], 1)
        assert (row["tax_amount"], row["discount"], row["price_list"]) == (0, 0, None)


async def forget(shop: Shop) -> None:
    """Make all orders as the previous release records them."""
    await shop.databases.admin.execute(BEFORE)


async def test_an_older_order_that_is_open_is_completed_without_a_recorded_cost(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    await shop.fault(method="POST", path="/orders", status=429, headers={"Retry-After": "1"})
    async with shop.open() as orders:
        buying: Any = asyncio.ensure_future(orders.CreateOrder(request(shop), metadata=buyer))
        await shop.databases.until(
            "select count(*) > 0 from orders.order_attempts where outcome = 'NOT_SENT'"
        )
        await forget(shop)
        async with shop.databases.open("orders") as database:
            assert await Backfill(database, stop=asyncio.Event()).record() == 0
            order = (await buying).order
            assert order.status == orders_pb2.ORDER_STATUS_COMPLETED
            assert await Backfill(database, stop=asyncio.Event()).record() == 1
    row = await shop.row(order.id)
    assert row["charged_cost"] == row["expected_cost"] == row["total_price"]
