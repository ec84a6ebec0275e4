"""Price confirmation before a purchase whose buyer set a limit; a higher charge is an incident."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from kit.values import money
from protos.orders.v1 import orders_pb2
from tests.component.orders.cancellation.held_provider import through_proxy
from tests.component.orders.prices.confirming import NEW, OLD, charged, reprice
from tests.component.orders.shop import (
    Metadata,
    Shop,
    is_explained,
    orders_recorded,
    outcomes,
    reaches,
    request,
    steps,
    usd,
)
from tests.fixtures.rpc.refusals import refused

COMPLETED = orders_pb2.ORDER_STATUS_COMPLETED
FAILED = orders_pb2.ORDER_STATUS_FAILED


@pytest.mark.parametrize(
    ("quantity", "limit"),
    [
        (1, {"max_price": "2"}),
        (1, {"max_total": "2"}),
        (3, {"max_price": "9.98", "max_total": "50"}),
    ],
)
async def test_a_price_limit_applies_to_the_providers_price_and_not_the_catalogues(
    shop: Shop, buyer: Metadata, quantity: int, limit: dict[str, str]
) -> None:
    limits = {name: usd(amount) for name, amount in limit.items()}
    async with shop.open() as orders:
        await reprice(shop, NEW)
        wanted = request(shop, quantity=quantity, **limits)
        assert await refused(orders.CreateOrder(wanted, metadata=buyer)) == "PRICE_CHANGED"
        assert await orders_recorded(shop) == shop.charges == 0
        # The refused request can be repeated with its key and a limit that allows the price.
        enough = request(shop, quantity=quantity, max_price=usd("9.99"))
        order = (await orders.CreateOrder(enough, metadata=buyer)).order
    assert order.status == COMPLETED
    assert money.from_proto(order.unit_price) == NEW
    assert money.from_proto(order.total_price) == await charged(shop, order) == NEW * quantity
    assert order.status_reason == ""


async def test_a_lower_provider_price_is_the_one_that_applies(shop: Shop, buyer: Metadata) -> None:
    async with shop.open() as orders:
        await reprice(shop, Decimal("0.505"))
        wanted = request(shop, quantity=3, max_total=usd("1.515"))
        order = (await orders.CreateOrder(wanted, metadata=buyer)).order
    assert money.from_proto(order.total_price) == Decimal("1.515")


async def test_a_limited_purchase_confirms_the_price_once(shop: Shop, buyer: Metadata) -> None:
    # Strikes the second call, which is the purchase itself.
    await shop.fault(method="POST", path="/orders", skip=1, status=400)
    async with shop.open() as orders:
        order = (await orders.CreateOrder(request(shop, max_price=usd("2")), metadata=buyer)).order
        assert order.status == FAILED
        assert await outcomes(shop) == ["REFUSED"]


async def test_a_stale_confirmation_is_renewed_before_the_first_attempt(
    shop: Shop, buyer: Metadata
) -> None:
    # Strikes the second call, which confirms the price again.
    await shop.fault(method="POST", path="/orders", skip=1, status=400)
    async with shop.open(price_holds=0.0) as orders:
        order = (await orders.CreateOrder(request(shop, max_price=usd("2")), metadata=buyer)).order
        assert order.status == FAILED
        assert await outcomes(shop) == []


async def newest(shop: Shop) -> Any:
    return await shop.databases.admin.fetchrow(
        "select id::text, status, charged_above, operator_detail, failure_reason, unit_price"
        " from orders.esim_orders order by created_at desc limit 1"
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"status": 503},
        {"drop": True},
        {"status": 200, "body": {"valid": True}},
        {"status": 200, "body": {"valid": True, "total": 1, "currency": "EUR"}},
        {"status": 200, "body": {"valid": True, "total": "NaN", "currency": "USD"}},
    ],
)
async def test_a_limited_purchase_is_not_made_at_an_unconfirmed_price(
    shop: Shop, buyer: Metadata, fault: dict[str, Any]
) -> None:
    await shop.fault(method="POST", path="/orders", **fault)
    async with shop.open() as orders:
        wanted = request(shop, max_price=usd("2"))
        assert await refused(orders.CreateOrder(wanted, metadata=buyer)) == "PRICE_NOT_CONFIRMED"
        assert await orders_recorded(shop) == shop.charges == 0
        assert (await orders.CreateOrder(wanted, metadata=buyer)).order.status == COMPLETED
    assert shop.charges == 1


async def test_before_a_later_attempt_the_limit_is_checked_again(
    shop: Shop, buyer: Metadata
) -> None:
    # The confirmation passes, the purchase is refused, and the price rises in between.
    await shop.fault(
        method="POST", path="/orders", skip=1, status=429, headers={"Retry-After": "1"}
    )
    async with through_proxy(shop) as (orders, provider):
        again = provider.hold("POST", "/orders", skip=2)
        buying = asyncio.ensure_future(
            orders.CreateOrder(request(shop, max_price=usd("2")), metadata=buyer)
        )
        await again.arrived.wait()
        await reprice(shop, NEW)
        again.release.set()
        order = (await buying).order
        assert await outcomes(shop) == ["NOT_SENT"]
    assert order.status == FAILED
    assert order.failure_reason == "PRICE_CHANGED"
    assert "not been charged" in order.status_reason
    assert shop.charges == 0


async def test_a_later_attempt_within_the_limit_expects_the_new_price(
    shop: Shop, buyer: Metadata
) -> None:
    await shop.fault(
        method="POST", path="/orders", skip=1, status=429, headers={"Retry-After": "1"}
    )
    async with through_proxy(shop) as (orders, provider):
        again = provider.hold("POST", "/orders", skip=2)
        buying = asyncio.ensure_future(
            orders.CreateOrder(request(shop, quantity=2, max_price=usd("10")), metadata=buyer)
        )
        await again.arrived.wait()
        assert await outcomes(shop) == ["NOT_SENT"]
        await reprice(shop, NEW)
        again.release.set()
        order = (await buying).order
        assert "charged above the expected price" not in await steps(shop, orders, order.id)
    assert order.status == COMPLETED
    assert money.from_proto(order.unit_price) == NEW
    assert money.from_proto(order.total_price) == 2 * NEW
    assert order.status_reason == ""


async def test_a_later_attempt_waits_until_the_price_is_confirmed(
    shop: Shop, buyer: Metadata
) -> None:
    busy = {"method": "POST", "path": "/orders", "status": 429, "headers": {"Retry-After": "1"}}
    await shop.fault(**busy, skip=1)
    async with through_proxy(shop, purchase_wait=0.0) as (orders, provider):
        again = provider.hold("POST", "/orders", skip=2)
        order = (await orders.CreateOrder(request(shop, max_price=usd("2")), metadata=buyer)).order
        await again.arrived.wait()
        assert await outcomes(shop) == ["NOT_SENT"]
        await shop.fault(**busy | {"status": 503, "headers": {}, "count": 0})
        again.release.set()
        await is_explained(shop, order.id, "confirm the price")
        assert shop.charges == 0
        await shop.http.delete(f"{shop.sandbox.control_url}/faults")
        await reaches(shop, order.id, "COMPLETED")
    assert shop.charges == 1


@pytest.mark.parametrize("limited", [False, True])
async def test_a_charge_above_the_expected_price_is_an_incident(
    shop: Shop, buyer: Metadata, limited: bool, caplog: pytest.LogCaptureFixture
) -> None:
    await reprice(shop, NEW)
    limits = {}
    if limited:  # the price rises between its confirmation and the charge
        limits = {"max_price": usd("2")}
        confirmed = {"valid": True, "total": float(OLD), "currency": "USD"}
        await shop.fault(method="POST", path="/orders", status=200, body=confirmed)
    async with shop.open() as orders:
        order_id = (await orders.CreateOrder(request(shop, **limits), metadata=buyer)).order.id
        wanted = orders_pb2.GetOrderRequest(order_id=order_id)
        by_customer = (await orders.GetOrder(wanted, metadata=buyer)).order
        by_service = (await orders.GetOrder(wanted, metadata=shop.service_key)).order
        history = await steps(shop, orders, order_id)
        timeline = await orders.BatchListOrderTimelines(
            orders_pb2.BatchListOrderTimelinesRequest(order_ids=[order_id]), metadata=buyer
        )
    assert "charged 9.99 USD instead of 1.37 USD" in by_customer.status_reason
    assert money.from_proto(by_customer.total_price) == NEW
    assert not by_customer.HasField("charged_above")
    assert money.from_proto(by_service.charged_above) == NEW - OLD
    assert history.count("charged above the expected price") == 1
    assert "charged 9.99 USD" in (await newest(shop))["operator_detail"]
    assert any("charged more" in e.message for e in timeline.timelines[0].entries)
    assert f"order {order_id} was charged 9.99 USD" in caplog.text


async def test_a_charge_found_by_reconciliation_is_compared_too(
    shop: Shop, buyer: Metadata
) -> None:
    await reprice(shop, NEW)
    await shop.fault(method="POST", path="/orders", drop=True, effect="done")
    async with shop.open() as orders:
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        await reaches(shop, order.id, "COMPLETED")
        assert "charged above the expected price" in await steps(shop, orders, order.id)
    found = await newest(shop)
    assert (found["charged_above"], found["unit_price"]) == (NEW - OLD, OLD)
