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
from tests.component.orders.cancellation.held_provider import through_proxy
from tests.component.orders.coupons.coupon_shop import list_price, open_coupons
from tests.component.orders.shop import Shop, outcomes, reaches, request
from tests.fixtures.patience import until

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
        notices: list[str] = []
        await admin.add_listener("esimgo_orders", lambda *notice: notices.append(notice[-1]))
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
    # Customers' subscriptions learn nothing of it: the first notice is this one.
    await admin.execute("notify esimgo_orders, 'afterwards'")
    await until(lambda: notices)
    assert notices == ["afterwards"]
    rows = await admin.fetch("select * from orders.esim_orders")
    for row in rows:
        failed = row["status"] == "FAILED"
        assert row["expected_cost"] == row["total_price"] > 0
        assert row["charged_cost"] == (None if failed else row["total_price"])
        assert (row["cost_currency"], row["exchange_rate"]) == (row["currency"], 1)
        assert (row["rule_version"], row["price_list"]) == (0, None)


async def test_a_process_searches_for_older_orders_until_it_finds_none_twice(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as orders, shop.databases.open("orders") as database:
        backfill = Backfill(database, stop=asyncio.Event(), step=1)
        await orders.CreateOrder(request(shop, idempotency_key="1"), metadata=buyer)
        for wanted in (0, 0):  # what a search leaves
            await forget(shop)
            await backfill.search()
            assert await shop.databases.admin.fetchval(MISSING) == wanted
        for _ in range(2):
            await backfill.search()
        await forget(shop)
        await backfill.search()
        assert await shop.databases.admin.fetchval(MISSING) == 1


async def forget(shop: Shop) -> None:
    """Make all orders as the previous release records them."""
    await shop.databases.admin.execute(BEFORE)


async def test_an_older_order_that_is_open_is_completed_without_a_recorded_cost(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    await shop.fault(method="POST", path="/orders", status=429, headers={"Retry-After": "1"})
    async with through_proxy(shop) as (orders, provider):
        # Before its second attempt the order is read again.
        first = provider.hold("POST", "/orders")
        buying: Any = asyncio.ensure_future(orders.CreateOrder(request(shop), metadata=buyer))
        await first.arrived.wait()
        await forget(shop)
        async with shop.databases.open("orders") as database:
            assert await Backfill(database, stop=asyncio.Event()).record() == 0
            first.release.set()
            order = (await buying).order
            assert await outcomes(shop) == ["NOT_SENT", "PLACED"]
            assert order.status == orders_pb2.ORDER_STATUS_COMPLETED
            assert await Backfill(database, stop=asyncio.Event()).record() == 1
    row = await shop.row(order.id)
    assert row["charged_cost"] == row["expected_cost"] == row["total_price"]


# As the previous release records orders, and the provider's answer.
CLAIM_BEFORE = """
insert into orders.esim_orders (
    customer_id, plan_id, bundle_name, quantity, unit_price, total_price, currency, next_run_at
) select customer_id, plan_id, bundle_name, 1, unit_price, total_price, currency, null
from orders.esim_orders limit 1
"""
PLACED_BEFORE = """
update orders.esim_orders
set provider_reference = 'R-1', placed_at = now(), total_price = coalesce($1, total_price),
    currency = coalesce($2, currency), charged_above = null
"""


async def test_the_previous_release_sells_only_while_no_lists_or_coupons_are_in_use(
    shop: Shop,
) -> None:
    admin = shop.databases.admin
    buyer = await shop.session("buyer@example.com")
    refusal = "price lists or coupons are in use"
    async with open_coupons(shop) as running:
        await running.buy(buyer, "")
        await admin.execute(CLAIM_BEFORE)
        await running.create()
        with pytest.raises(asyncpg.CheckViolationError, match=refusal):
            await admin.execute(CLAIM_BEFORE)
        await admin.execute("delete from orders.retail_in_use")  # as for a rollback
        await admin.execute(CLAIM_BEFORE)
        list_price(shop, "20.00")
        await running.buy(buyer, "")
        with pytest.raises(asyncpg.CheckViolationError, match=refusal):
            await admin.execute(CLAIM_BEFORE)
        # This release goes on.
        await running.buy(buyer, "")
    assert shop.charges == 3


@pytest.mark.parametrize("coupon", [False, True])
async def test_what_the_previous_release_placed_is_completed_by_this_one(
    shop: Shop, coupon: bool
) -> None:
    """It can't record the charge of an order with a list or a coupon; the attempt stays unsettled."""
    buyer = await shop.session("buyer@example.com")
    cost = Decimal(str(shop.catalogue.bundles[shop.plan_id].price))
    off = money.to_proto(Decimal("0.10"), "USD")
    if not coupon:
        list_price(shop, "20.00")
    # The provider takes the order, and nothing of it is recorded.
    await shop.fault(method="POST", path="/orders", drop=True, effect="done")
    await shop.fault(method="GET", path="/orders", status=503, count=0)
    async with open_coupons(shop, purchase_wait=0.0) as running:
        await running.create(amount=off, max_loss=off)
        order = await running.buy(buyer, "SPRING" if coupon else "")
        await shop.databases.until(
            "select count(*) > 0 from orders.order_attempts where outcome = 'UNCLEAR'"
        )
    with pytest.raises(asyncpg.CheckViolationError, match="cannot change"):
        await shop.databases.admin.execute(PLACED_BEFORE, cost, "USD")
    await shop.http.delete(f"{shop.sandbox.control_url}/faults")
    async with shop.open():
        await reaches(shop, order.id, "COMPLETED")
    row = await shop.row(order.id)
    total = cost - Decimal("0.10") if coupon else Decimal(20)
    assert (row["total_price"], row["charged_cost"]) == (total, cost)
    assert (row["currency"], row["charged_currency"]) == ("USD" if coupon else "EUR", "USD")
    assert shop.charges == 1
