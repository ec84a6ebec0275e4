"""Provider responses with values that no column holds, or without a match: none costs money twice."""

from decimal import Decimal
from typing import Any

import grpc
import pytest

from kit.values import money
from protos.orders.v1 import orders_pb2
from tests.component.orders.cancellation.cancelling import WHOLE, bought, preview
from tests.component.orders.coupons.coupon_shop import of, open_coupons
from tests.component.orders.real_peers import platform
from tests.component.orders.shop import (
    Shop,
    incompatible_plans,
    outcomes,
    reaches,
    request,
    steps,
    usd,
)
from tests.fixtures.long_texts import EMOJI
from tests.fixtures.rpc.refusals import reason_of

COMPLETED = orders_pb2.ORDER_STATUS_COMPLETED
ICCID = "8943108169900000017"


def placed(shop: Shop, **changes: Any) -> dict[str, Any]:
    """A response to POST /orders for one of the first plan."""
    bundle = shop.catalogue.bundles[shop.plan_id]
    esim = {"iccid": ICCID, "matchingId": "M-1", "smdpAddress": "rsp.example"}
    line = {"type": "bundle", "item": bundle.name, "quantity": 1, "esims": [esim]}
    answer = {
        "orderReference": "reference-1",
        "order": [line],
        "total": float(bundle.price),
        "currency": "USD",
        "status": "completed",
    }
    return answer | changes


async def test_values_that_no_column_can_store_do_not_prevent_recording_a_purchase(
    shop: Shop,
) -> None:
    odd = {"orderReference": "reference\x00-1", "sourceIP": "\x00", "runningBalance": "1e999999999"}
    await shop.fault(method="POST", path="/orders", status=200, body=placed(shop, **odd))
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
    assert (order.status, order.reference) == (COMPLETED, "reference-1")
    assert await outcomes(shop) == ["PLACED"]


@pytest.mark.parametrize("reference", [EMOJI, "9" * 4_200])
async def test_an_order_with_a_reference_that_no_index_holds_is_reviewed(
    shop: Shop, reference: str
) -> None:
    bundle = shop.catalogue.bundles[shop.plan_id].name
    line = {"type": "bundle", "item": bundle, "quantity": 1}
    listed = [{"orderReference": reference, "order": [line], "status": "completed"}]
    await shop.fault(
        method="POST", path="/orders", status=200, body=placed(shop, orderReference=reference)
    )
    await shop.fault(method="GET", path="/orders", status=200, body=listed, count=0)
    buyer = await shop.session("b@example.com")
    async with shop.open(settling=0.2, purchase_wait=0.1) as orders:
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        await reaches(shop, order.id, "NEEDS_REVIEW")
    assert await outcomes(shop) == ["UNCLEAR"]


async def test_esims_beyond_those_that_were_bought_are_not_delivered(shop: Shop) -> None:
    esims = [
        {"iccid": f"894310816990000001{n}", "matchingId": f"M-{n}", "smdpAddress": "rsp.example"}
        for n in (7, 8)
    ]
    bundle = shop.catalogue.bundles[shop.plan_id].name
    answer = placed(shop, order=[{"type": "bundle", "item": bundle, "quantity": 1, "esims": esims}])
    always: dict[str, Any] = {"status": 200, "count": 0}
    await shop.fault(method="POST", path="/orders", body=answer, **always)
    await shop.fault(method="GET", path="/orders/reference-1", body=answer, **always)
    await shop.fault(method="GET", path="/esims/assignments", body=esims, **always)
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await orders.ListOrderAssignments(
                orders_pb2.ListOrderAssignmentsRequest(order_id=order.id), metadata=buyer
            )
    assert reason_of(raised.value) == "ORDER_NOT_DELIVERED"
    assert await shop.stored_status(order.id) == "NEEDS_REVIEW"
    assert shop.esims.registered == {}
    assert await shop.databases.admin.fetchval("select count(*) from orders.order_esims") == 0


@pytest.mark.parametrize("limited", [False, True])
async def test_a_charge_in_another_currency_is_an_incident(
    shop: Shop, limited: bool, caplog: pytest.LogCaptureFixture
) -> None:
    limits = {}
    if limited:
        limits = {"max_price": usd("9")}
        confirmed = {"valid": True, "total": 1, "currency": "USD"}
        await shop.fault(method="POST", path="/orders", status=200, body=confirmed)
    charged = placed(shop, currency="EUR", total=1)
    await shop.fault(method="POST", path="/orders", status=200, body=charged)
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = (await orders.CreateOrder(request(shop, **limits), metadata=buyer)).order
        history = await steps(shop, orders, order.id)
    assert order.status == COMPLETED
    assert (money.from_proto(order.total_price), order.total_price.currency_code) == (
        Decimal(1),
        "EUR",
    )
    assert history.count("charged above the expected price") == 1
    assert f"order {order.id} was charged 1 EUR instead of the expected" in caplog.text


@pytest.mark.parametrize("named", [8943108169900000000, "17", "", None])
async def test_a_top_up_listed_without_its_esim_is_not_bought_again(shop: Shop, named: Any) -> None:
    """The answer is lost, and the list's ICCID is a number that lost digits, or missing."""
    buyer = await shop.session("b@example.com")
    fitting, _ = incompatible_plans(shop)
    async with platform(shop, purchase_wait=0.1, settling=0.5) as services:
        plan = await services.plan(fitting)
        first = await services.buy(buyer, plan_id=plan.id)
        await reaches(shop, first.id, "COMPLETED")
        (esim,) = await services.esims_of(first, buyer)
        bundle = {"type": "bundle", "item": fitting, "quantity": 1, "iccids": [named]}
        listed = {"orderReference": "reference-1", "order": [bundle], "status": "completed"}
        await shop.fault(method="POST", path="/orders", drop=True, effect="none", count=0)
        await shop.fault(method="GET", path="/orders", status=200, body=[listed], count=0)
        order = await services.buy(buyer, plan_id=plan.id, esim_id=esim.id)
        await shop.databases.until(
            "select recovery_point not in ('CLAIMED', 'ATTEMPTED') from orders.esim_orders"
            " where id = $1::text::uuid",
            order.id,
        )
        row = await shop.row(order.id)
    assert (row["recovery_point"], row["provider_reference"]) == ("PLACED", "reference-1")


async def test_a_malformed_assignment_of_another_order_does_not_hide_a_cancellation(
    shop: Shop,
) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        (own,) = [
            a for a in shop.sandbox.world.assignments if a.reference.startswith(order.reference)
        ]
        headers = {"X-API-Key": shop.settings.provider.api_key}
        url = f"{shop.sandbox.url}/esims/{own.iccid}/bundles"
        async with shop.http.get(url, headers=headers) as answer:
            body = await answer.json()
        odd = {"id": "1", "assignmentReference": "another-order-0", "bundleState": None}
        body["bundles"].append({"name": "another", "assignments": [odd]})
        await shop.fault(method="GET", path="/esims/*/bundles", status=200, body=body, count=0)
        assert (await preview(orders, buyer, order)).extent == WHOLE
        # The provider order that may belong to this one could be in use.
        odd["assignmentReference"] = f"{order.reference}-7"
        await shop.http.delete(f"{shop.sandbox.control_url}/faults")
        await shop.fault(method="GET", path="/esims/*/bundles", status=200, body=body, count=0)
        found = await preview(orders, buyer, order)
    assert found.extent == orders_pb2.CANCELLATION_EXTENT_UNKNOWN
    assert found.code == "PROVIDER_BAD_ANSWER"


async def test_a_discount_is_not_subtracted_from_a_charge_in_another_currency(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    bundle = shop.catalogue.bundles[shop.plan_id]
    off = of("0.10", "USD")
    async with open_coupons(shop) as running:
        await running.create(amount=off, max_loss=off)
        charged = placed(shop, currency="EUR", total=5)
        await shop.fault(method="POST", path="/orders", status=200, body=charged)
        order = await running.buy(buyer)
    expected = Decimal(str(bundle.price)) - Decimal("0.10")
    assert (order.status, order.total_price) == (COMPLETED, of(str(expected), "USD"))
    row = await shop.row(order.id)
    assert (row["charged_cost"], row["charged_currency"]) == (5, "EUR")


async def test_a_coupon_books_the_discount_that_a_lower_confirmed_price_leaves(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    bundle = shop.catalogue.bundles[shop.plan_id]
    shop.catalogue.stored_price = Decimal(3)
    await shop.control("catalogue/price", name=bundle.name, price=1)
    async with open_coupons(shop) as running:
        await running.create(amount=of("2", "USD"), max_loss=of("2", "USD"), budget=of("2", "USD"))
        order = await running.buy(buyer, max_price=usd("3"))
        assert (order.discount, order.total_price) == (of("1", "USD"), of("0", "USD"))
        assert await running.counters() == (1, 0, "1", "0")
