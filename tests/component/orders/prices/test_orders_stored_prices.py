"""Purchases without a limit, for which a stored price may serve."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kit.values import money
from tests.component.orders.prices.confirming import NEW, OLD, reprice
from tests.component.orders.prices.test_orders_prices import COMPLETED
from tests.component.orders.shop import (
    Metadata,
    Shop,
    orders_recorded,
    request,
    usd,
)
from tests.fixtures.rpc.refusals import refused


@pytest.mark.parametrize(("price", "bought"), [("1.39", True), ("1.40", False), ("9.99", False)])
async def test_without_a_limit_a_stale_price_may_differ_by_the_tolerance(
    shop: Shop, buyer: Metadata, price: str, bought: bool
) -> None:
    shop.catalogue.confirmed_at = datetime.now(UTC) - timedelta(hours=1)
    await reprice(shop, Decimal(price))
    async with shop.open(price_ttl=300.0) as orders:
        call = orders.CreateOrder(request(shop, quantity=2), metadata=buyer)
        if bought:
            order = (await call).order
            assert money.from_proto(order.total_price) == 2 * Decimal(price)
            assert order.status_reason == ""
        else:
            assert await refused(call) == "PRICE_CHANGED"
            assert await orders_recorded(shop) == shop.charges == 0
            # A limit shows that the buyer knows the price.
            known = request(shop, max_price=usd(price))
            assert (await orders.CreateOrder(known, metadata=buyer)).order.status == COMPLETED


async def test_without_a_limit_one_price_confirmation_serves_all_buyers(
    shop: Shop, buyer: Metadata
) -> None:
    shop.catalogue.confirmed_at = datetime.now(UTC) - timedelta(hours=1)
    async with shop.open(price_ttl=300.0) as orders:
        await orders.CreateOrder(request(shop), metadata=buyer)
        await reprice(shop, NEW)  # no confirmation is due yet: the charge reveals it
        order = (await orders.CreateOrder(request(shop, idempotency_key="2"), metadata=buyer)).order
    assert "charged 9.99 USD instead of 1.37 USD" in order.status_reason


async def test_without_a_limit_the_stored_price_applies_if_none_can_be_confirmed(
    shop: Shop, buyer: Metadata
) -> None:
    shop.catalogue.confirmed_at = datetime.now(UTC) - timedelta(hours=1)
    await shop.fault(method="POST", path="/orders", status=429, headers={"Retry-After": "0"})
    async with shop.open(price_ttl=300.0) as orders:
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
    assert order.status == COMPLETED
    assert money.from_proto(order.total_price) == OLD


@pytest.mark.parametrize("answer", [{"valid": False, "total": 0}, {"valid": True}])
async def test_a_response_without_a_price_is_not_cached_for_other_purchases(
    shop: Shop, buyer: Metadata, answer: dict[str, Any]
) -> None:
    shop.catalogue.confirmed_at = datetime.now(UTC) - timedelta(hours=1)
    await shop.fault(method="POST", path="/orders", status=200, body=answer)
    async with shop.open(price_ttl=300.0) as orders:
        call = orders.CreateOrder(request(shop), metadata=buyer)
        if answer["valid"]:  # the catalogue's price is used
            assert money.from_proto((await call).order.total_price) == OLD
        else:
            assert await refused(call) == "NOT_SOLD_NOW"
        await reprice(shop, NEW)
        again = orders.CreateOrder(request(shop, idempotency_key="2"), metadata=buyer)
        assert await refused(again) == "PRICE_CHANGED"


async def test_a_plan_that_the_provider_refuses_to_confirm_is_not_bought(
    shop: Shop, buyer: Metadata
) -> None:
    await shop.fault(
        method="POST", path="/orders", status=400, body={"message": "insufficient balance"}
    )
    async with shop.open() as orders:
        wanted = request(shop, max_price=usd("2"))
        assert await refused(orders.CreateOrder(wanted, metadata=buyer)) == "NOT_SOLD_NOW"
    assert await orders_recorded(shop) == shop.charges == 0
