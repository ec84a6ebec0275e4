"""The provider requests a pause of a day: what customers and operators see, and how purchases continue."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.operators.orders import Orders
from cli.operators.service import Service
from protos.catalogue.v1 import prices_pb2
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from services.orders.__main__ import serve
from services.orders.status_reasons import MESSAGE_HELD
from tests.component.orders.coupons.coupon_shop import list_price
from tests.component.orders.shop import (
    Shop,
    is_explained,
    outcomes,
    patient_channel,
    reaches,
    request,
)
from tests.fixtures.patience import until
from tests.fixtures.rpc.health import NOT_SERVING, health

DAY = {"Retry-After": "86400"}
# Seconds; short compared to a day, and long enough to count as a pause.
HOLD = 2.5


def believing(shop: Shop, seconds: float) -> Any:
    """Provider settings that believe pauses up to this length, which a slow call does not exceed."""
    return replace(shop.settings.provider, longest_hold=seconds, timeout=60)


@pytest.mark.parametrize("status", [429, 503])
async def test_purchases_resume_long_before_the_end_of_a_requested_pause_of_a_day(
    shop: Shop, status: int
) -> None:
    """503 leaves the outcome open: the first purchase is settled before it continues."""
    await shop.fault(method="POST", path="/orders", status=status, headers=DAY)
    buyers = [await shop.session(f"b{i}@example.com") for i in range(3)]
    async with shop.open(
        provider=believing(shop, HOLD), purchase_wait=0.2, settling=1.0, recovery_every=0.2
    ) as orders:
        for buyer in buyers:
            await orders.CreateOrder(request(shop), metadata=buyer)
        listed = await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=shop.service_key)
        for order in listed.orders:
            await reaches(shop, order.id, "COMPLETED")
    assert shop.charges == len(listed.orders) == 3
    # Orders that wait for the pause to end make no attempt; one whose call was waiting already ends unsent.
    first = "NOT_SENT" if status == 429 else "ABSENT"
    found = Counter(await outcomes(shop))
    assert found["PLACED"] == 3
    assert found[first] >= 1
    assert found["NOT_SENT"] <= 3
    assert set(found) <= {"PLACED", first, "NOT_SENT"}


async def test_a_pause_is_reported_to_customers_operators_and_health(shop: Shop) -> None:
    # Two by one customer: the first meets the pause, the second is made during it.
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    date = {"Retry-After": f"{tomorrow:%a, %d %b %Y %H:%M:%S GMT}"}
    await shop.fault(method="POST", path="/orders", status=429, headers=date, count=0)
    buyer = await shop.session("b@example.com")
    settings = replace(shop.settings, provider=believing(shop, 3600), purchase_wait=0.2)
    async with (
        shop.serving(serve, settings) as port,
        patient_channel(port) as channel,
    ):
        orders = orders_pb2_grpc.OrdersServiceStub(channel)
        made = [
            (await orders.CreateOrder(request(shop, idempotency_key=key), metadata=buyer)).order
            for key in ("first", "second")
        ]
        for order in made:
            await is_explained(shop, order.id, MESSAGE_HELD)
        customers_list = await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=buyer)
        assert {order.status_reason for order in customers_list.orders} == {MESSAGE_HELD}
        stuck = await orders.ListStuckOrders(
            orders_pb2.ListStuckOrdersRequest(), metadata=shop.service_key
        )
        assert {s.order.id for s in stuck.orders} == {order.id for order in made}
        left = stuck.provider_held_until.ToDatetime(UTC) - datetime.now(UTC)
        assert timedelta() < left <= timedelta(seconds=3600)
        operator = Orders(Service(orders, shop.auth.service_role_key, "unavailable: {}"))
        first, *lines = await operator.stuck(900)
        assert first.startswith("calls to the provider are paused until ")
        assert [line.split()[0] for line in lines] == [s.order.id for s in stuck.orders]

        async def shown() -> bool:
            return await health(channel, "provider") == NOT_SERVING

        await until(shown)
    assert sorted(await outcomes(shop)) == ["NOT_SENT"]


async def test_orders_that_waited_for_an_hour_resume_when_the_service_starts(
    shop: Shop,
) -> None:
    await shop.fault(method="POST", path="/orders", status=429, headers=DAY)
    buyer = await shop.session("b@example.com")
    async with shop.open(provider=believing(shop, 3600), purchase_wait=0.2) as orders:
        made = await orders.CreateOrder(request(shop), metadata=buyer)
        await is_explained(shop, made.order.id, MESSAGE_HELD)
    ahead = await shop.databases.admin.fetchval(
        "select next_run_at > now() + interval '50 minutes' from orders.esim_orders"
    )
    assert ahead
    async with shop.open(recovery_every=0.2):
        await reaches(shop, made.order.id, "COMPLETED")


async def test_a_cancellation_interrupted_by_a_pause_resumes_automatically(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open(
        provider=believing(shop, HOLD), purchase_wait=0.2, recovery_every=0.2
    ) as orders:
        made = await orders.CreateOrder(request(shop), metadata=buyer)
        await reaches(shop, made.order.id, "COMPLETED")
        # The first DELETE is the validation.
        await shop.fault(method="DELETE", path="/esims/*", status=429, headers=DAY, skip=1)
        cancel = orders_pb2.CancelOrderRequest(order_id=made.order.id)
        await orders.CancelOrder(cancel, metadata=buyer)
        await reaches(shop, made.order.id, "REFUNDED")


@pytest.mark.parametrize("known", [True, False])
async def test_a_price_of_a_list_is_not_sold_while_its_cost_is_not_confirmed(
    shop: Shop, known: bool
) -> None:
    """At the claim the provider doesn't answer either; no limit of the buyer would make it wait."""
    list_price(shop, "20.00", currency="USD")
    listed = shop.catalogue.adjust

    def adjust(answer: prices_pb2.QuotePlanResponse) -> None:
        listed(answer)
        if not known:
            answer.ClearField("confirmed_at")

    shop.catalogue.adjust = adjust
    shop.catalogue.confirmed_at = datetime.now(UTC) - timedelta(days=1)
    await shop.fault(method="POST", path="/orders", status=503, count=0)
    buyer = await shop.session("b@example.com")
    async with shop.open(price_ttl=300.0, purchase_wait=0.0) as orders:
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        await is_explained(shop, order.id, "confirm the price")
        assert (await outcomes(shop), shop.charges) == ([], 0)
        await shop.http.delete(f"{shop.sandbox.control_url}/faults")
        await reaches(shop, order.id, "COMPLETED")
    row = await shop.row(order.id)
    assert datetime.now(UTC) - row["price_confirmed_at"] < timedelta(minutes=5)
    assert shop.charges == 1


async def test_an_order_from_a_list_that_was_not_placed_is_confirmed_before_it_is_placed_again(
    shop: Shop,
) -> None:
    list_price(shop, "999.00", currency="USD")
    # The second call is the purchase: its answer is lost, and it has bought nothing.
    await shop.fault(method="POST", path="/orders", skip=1, drop=True, effect="none")
    await shop.fault(method="GET", path="/orders", status=503, count=0)
    buyer = await shop.session("b@example.com")
    async with shop.open(price_ttl=0.0, purchase_wait=0.0) as orders:
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        await shop.databases.until(
            "select count(*) > 0 from orders.order_attempts where outcome = 'UNCLEAR'"
        )
        name = shop.catalogue.bundles[shop.plan_id].name
        await shop.control("catalogue/price", name=name, price=999.01)
        await shop.http.delete(f"{shop.sandbox.control_url}/faults")
        await reaches(shop, order.id, "FAILED")
    assert (await shop.row(order.id))["failure_reason"] == "PRICE_CHANGED"
    assert (await outcomes(shop), shop.charges) == (["ABSENT"], 0)
