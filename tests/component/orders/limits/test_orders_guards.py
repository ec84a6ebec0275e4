"""Guards that keep a buyer from buying twice, or for more than intended."""

import asyncio
from decimal import Decimal

import pytest

from protos.orders.v1 import orders_pb2
from services.orders.purchase import claim_store
from tests.component.orders.shop import Shop, orders_recorded, price, request, usd
from tests.fixtures.rpc.refusals import refused

COMPLETED = orders_pb2.ORDER_STATUS_COMPLETED
# The shop of the tests has a longer one.
WINDOW = claim_store.DUPLICATE_WINDOW


async def test_fifty_concurrent_calls_with_one_key_are_charged_once(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as one, shop.open() as two:
        answers = await asyncio.gather(
            *(o.CreateOrder(request(shop), metadata=buyer) for o in [one, two] * 25)
        )
    assert len({answer.order.id for answer in answers}) == 1
    assert sum(not answer.repeated_request for answer in answers) == 1
    assert shop.charges == 1


async def test_concurrent_clicks_are_one_order_with_the_double_click_guard(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer = await shop.session("b@example.com")
    wanted = request(shop, idempotency_key="", prevent_duplicates=True)
    async with shop.open() as one, shop.open() as two:
        answers = await asyncio.gather(
            *(o.CreateOrder(wanted, metadata=buyer) for o in [one, two] * 5)
        )
        assert len({answer.order.id for answer in answers}) == 1
        # Another quantity, another customer, a later time, or an explicit request: another order.
        other = request(shop, idempotency_key="", prevent_duplicates=True, quantity=2)
        await one.CreateOrder(other, metadata=buyer)
        await one.CreateOrder(wanted, metadata=await shop.session("c@example.com"))
        await one.CreateOrder(request(shop, idempotency_key=""), metadata=buyer)
        assert shop.charges == 4
        monkeypatch.setattr(claim_store, "DUPLICATE_WINDOW", WINDOW)
        await shop.databases.admin.execute(
            "update orders.esim_orders set created_at = created_at - interval '31 seconds'"
        )
        await one.CreateOrder(wanted, metadata=buyer)
    assert shop.charges == 5


async def test_the_double_click_guard_and_a_key_exclude_each_other(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        call = orders.CreateOrder(request(shop, prevent_duplicates=True), metadata=buyer)
        assert await refused(call) == "INVALID_ARGUMENT"


@pytest.mark.parametrize("limit", ["max_price", "max_total"])
async def test_a_price_above_the_buyers_limit_records_and_buys_nothing(
    shop: Shop, limit: str
) -> None:
    buyer = await shop.session("b@example.com")
    each = price(shop)
    fits = each if limit == "max_price" else each * 2
    async with shop.open() as orders:
        low = request(shop, quantity=2, **{limit: usd(str(fits - Decimal("0.01")))})
        assert await refused(orders.CreateOrder(low, metadata=buyer)) == "PRICE_CHANGED"
        assert await orders_recorded(shop) == shop.charges == 0
        exact = request(shop, quantity=2, **{limit: usd(str(fits))})
        answer = await orders.CreateOrder(exact, metadata=buyer)
    assert answer.order.status == COMPLETED
    assert shop.charges == 1


async def test_another_price_limit_under_one_key_is_a_conflict(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        await orders.CreateOrder(request(shop, max_price=usd("9999")), metadata=buyer)
        call = orders.CreateOrder(request(shop, max_price=usd("9998")), metadata=buyer)
        assert await refused(call) == "IDEMPOTENCY_CONFLICT"


@pytest.mark.parametrize(
    ("message", "reason", "operators"),
    [
        ("insufficient balance", "NOT_SOLD_NOW", "INSUFFICIENT_BALANCE"),
        ("bundle is not in the catalogue", "PLAN_UNAVAILABLE", "PLAN_UNAVAILABLE"),
        ("computer says no", "NOT_SOLD_NOW", "NOT_SOLD_NOW"),
    ],
)
async def test_a_provider_refusal_returns_a_reason_without_the_providers_message(
    shop: Shop, message: str, reason: str, operators: str
) -> None:
    buyer = await shop.session("b@example.com")
    await shop.fault(method="POST", path="/orders", status=400, body={"message": message})
    async with shop.open() as orders:
        answer = await orders.CreateOrder(request(shop), metadata=buyer)
        assert answer.order.status == orders_pb2.ORDER_STATUS_FAILED
        assert answer.order.failure_reason == reason
        assert message not in str(answer)
        found = await orders.GetOrder(
            orders_pb2.GetOrderRequest(order_id=answer.order.id), metadata=shop.service_key
        )
    assert found.order.failure_reason == operators
    assert message in (await shop.row(answer.order.id))["operator_detail"]


async def test_a_withdrawn_plan_is_not_bought(shop: Shop) -> None:
    shop.catalogue.withdrawn.add(shop.plan_id)
    async with shop.open() as orders:
        call = orders.CreateOrder(request(shop), metadata=await shop.session("b@example.com"))
        assert await refused(call) == "PLAN_UNAVAILABLE"
    assert await orders_recorded(shop) == 0
