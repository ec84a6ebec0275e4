"""Costs of orders from a price list that rise before the customer has paid."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.component.orders.coupons.coupon_shop import list_price
from tests.component.orders.payments.paid_shop import WALLET, PaidShop, buyer_id
from tests.component.orders.prices.confirming import NEW, OLD, reprice
from tests.component.orders.shop import request

DAY = timedelta(days=1)


@pytest.fixture
async def selling(paid_shop: PaidShop) -> PaidShop:
    """A shop that sells a plan for 2.50 whose cost is OLD."""
    shop = paid_shop.shop
    shop.catalogue.stored_price = OLD
    await reprice(shop, OLD)
    list_price(shop, "2.50", currency="USD")
    return paid_shop


async def test_an_order_records_when_the_provider_confirmed_a_cached_cost(
    selling: PaidShop,
) -> None:
    shop = selling.shop
    shop.catalogue.confirmed_at = datetime.now(UTC) - DAY
    buyer = await shop.session("b@example.com")
    async with shop.open(price_ttl=300.0) as orders:
        made = [
            (await orders.CreateOrder(request(shop, idempotency_key=key), metadata=buyer)).order.id
            for key in ("first", "second")
        ]
    first, second = [await shop.row(order_id) for order_id in made]
    assert first["price_confirmed_at"] < first["created_at"]
    assert second["price_confirmed_at"] == first["price_confirmed_at"]


@pytest.mark.parametrize(
    ("cost", "status", "state"),
    [(NEW, "FAILED", "RELEASED"), (Decimal("2.40"), "COMPLETED", "CAPTURED")],
)
async def test_a_cost_that_rose_while_the_customer_paid_is_confirmed_before_the_purchase(
    selling: PaidShop, cost: Decimal, status: str, state: str
) -> None:
    shop = selling.shop
    buyer = await shop.session("b@example.com")
    async with selling.open(price_holds=0.0) as service:
        order_id, intent_id = await selling.bought(service, buyer)
        await reprice(shop, cost)
        await selling.pay(intent_id)
        await selling.due(order_id)
        await selling.reaches(order_id, status)
        await selling.becomes(order_id, state)
    row, payment = await shop.row(order_id), await selling.payment(order_id)
    captured = Decimal("2.50") if status == "COMPLETED" else 0
    assert (row["total_price"], payment["captured"]) == (Decimal("2.50"), captured)
    assert row["failure_reason"] == ("" if captured else "PRICE_CHANGED")
    assert shop.charges == bool(captured)
    if captured:
        assert row["expected_cost"] == row["charged_cost"] == cost


async def test_a_cost_that_was_confirmed_seconds_before_the_payment_is_not_confirmed_again(
    selling: PaidShop,
) -> None:
    shop = selling.shop
    buyer = await shop.session("b@example.com")
    async with selling.open() as service:
        order_id, intent_id = await selling.bought(service, buyer)
        await shop.fault(method="POST", path="/orders", status=400)  # the purchase itself
        await selling.pay(intent_id)
        await selling.due(order_id)
        await selling.reaches(order_id, "FAILED")
    assert await attempts(selling) == ["REFUSED"]


async def test_an_order_that_does_not_wait_for_its_payment_is_not_confirmed_again(
    selling: PaidShop,
) -> None:
    shop = selling.shop
    buyer, customer_id = await buyer_id(selling)
    await selling.fill_wallet(customer_id, "10")
    await shop.fault(method="POST", path="/orders", status=400)  # the purchase itself
    async with selling.open(price_holds=0.0) as service:
        order_id, _ = await selling.bought(service, buyer, method=WALLET)
        await selling.reaches(order_id, "FAILED")
    assert await attempts(selling) == ["REFUSED"]


async def attempts(selling: PaidShop) -> list[str]:
    """Return the outcomes of all purchase attempts; an order that fails at its confirmation has none."""
    rows = await selling.shop.databases.admin.fetch("select outcome from orders.order_attempts")
    return [row["outcome"] for row in rows]
