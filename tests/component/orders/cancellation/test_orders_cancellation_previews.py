"""Cancellation previews: what could be cancelled and refunded, without changing anything."""

from decimal import Decimal
from uuid import uuid4

import grpc
import pytest

from kit.rpc.errors import from_error
from kit.values import money
from protos.orders.v1 import orders_pb2
from services.orders import servicer
from tests.component.orders.cancellation.cancelling import (
    REFUNDED,
    WHOLE,
    bought,
    cancel,
    preview,
    previews,
    states,
)
from tests.component.orders.shop import Shop, request
from tests.fixtures.patience import PATIENCE

UNUSED_PART = orders_pb2.CANCELLATION_EXTENT_UNUSED_PART
NOTHING = orders_pb2.CANCELLATION_EXTENT_NOTHING
UNKNOWN = orders_pb2.CANCELLATION_EXTENT_UNKNOWN
BALANCE = orders_pb2.REFUND_RESULT_BALANCE
NONE = orders_pb2.REFUND_RESULT_NONE


async def use_one(shop: Shop, order: orders_pb2.Order) -> None:
    """Use data of the first eSIM of an order."""
    iccid = next(
        a.iccid for a in shop.sandbox.world.assignments if a.reference.startswith(order.reference)
    )
    await shop.control(f"esims/{iccid}/install")
    await shop.control(f"esims/{iccid}/use-data", megabytes=10)


async def test_the_preview_of_an_unused_order_equals_the_refund(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=3)
        balance = shop.sandbox.world.account.balance
        found = await preview(orders, buyer, order)
        assert (found.extent, found.code, found.message) == (WHOLE, "", "")
        assert [bundle.refund for bundle in found.bundles] == [BALANCE] * 3
        refund = money.from_proto(found.refund_total)
        assert refund == money.from_proto(order.total_price)
        assert shop.sandbox.world.account.balance == balance
        assert "revoked" not in states(shop, order)
        assert (await shop.row(order.id))["cancel_requested_at"] is None
        assert await preview(orders, buyer, order) == found
        answer = await cancel(orders, order, buyer)
        assert answer.order.status == REFUNDED
        assert shop.sandbox.world.account.balance - balance == refund
        ended = await preview(orders, buyer, order)
    assert (ended.extent, ended.code, len(ended.bundles)) == (NOTHING, "ORDER_CANCELLED", 0)


async def test_the_preview_reports_no_refund_if_refunds_are_off(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        found = await preview(orders, buyer, order)
    assert found.extent == WHOLE
    assert [bundle.refund for bundle in found.bundles] == [NONE]
    assert money.from_proto(found.refund_total) == 0


async def test_the_unused_part_of_an_order_can_be_cancelled(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=3)
        await use_one(shop, order)
        found = await preview(orders, buyer, order)
        assert (found.extent, found.code) == (UNUSED_PART, "ORDER_IN_USE")
        assert [bundle.refund for bundle in found.bundles] == [BALANCE] * 2
        assert money.from_proto(found.refund_total) == (
            money.from_proto(order.total_price) * 2 / Decimal(3)
        )
        answer = await orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=order.id, unused_only=True), metadata=buyer
        )
        assert {r.iccid for r in answer.revoked} == {b.iccid for b in found.bundles}
        rest = await preview(orders, buyer, order)
    assert (rest.extent, rest.code) == (NOTHING, "ORDER_IN_USE")


async def test_used_and_failed_orders_cannot_be_cancelled(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        used = await bought(shop, orders, buyer)
        await use_one(shop, used)
        await shop.fault(method="POST", path="/orders", status=400)
        failed = (
            await orders.CreateOrder(request(shop, idempotency_key="2"), metadata=buyer)
        ).order
        found = await previews(orders, buyer, used.id, failed.id)
    assert (found[used.id].extent, found[used.id].code) == (NOTHING, "ORDER_IN_USE")
    assert (found[failed.id].extent, found[failed.id].code) == (NOTHING, "ORDER_NOT_CANCELLABLE")
    assert "failed" in found[failed.id].message


async def test_one_order_without_a_provider_response_hides_no_other(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        one = await bought(shop, orders, buyer)
        two = (await orders.CreateOrder(request(shop, idempotency_key="2"), metadata=buyer)).order
        iccid = next(
            a.iccid for a in shop.sandbox.world.assignments if a.reference.startswith(one.reference)
        )
        await shop.fault(method="GET", path=f"/esims/{iccid}/bundles", status=500, count=0)
        found = await previews(orders, buyer, one.id, two.id)
    assert found[one.id].extent == UNKNOWN
    assert found[one.id].code.startswith("PROVIDER_")
    assert found[two.id].extent == WHOLE


async def test_a_preview_is_unknown_if_the_provider_times_out(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the call's time the provider gets a second, and a slow machine the rest.
    monkeypatch.setattr(servicer, "ANSWER_TIME", PATIENCE - 1)
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        await shop.fault(method="GET", path="/esims/*", delay_seconds=600, count=0)
        answer = await orders.BatchGetCancellations(
            orders_pb2.BatchGetCancellationsRequest(order_ids=[order.id]), metadata=buyer
        )
    (found,) = answer.cancellations
    assert (found.extent, found.code) == (UNKNOWN, "DEADLINE_EXCEEDED")


async def test_previews_of_other_customers_orders_or_of_too_many_are_refused(shop: Shop) -> None:
    ann, bob = await shop.session("ann@example.com"), await shop.session("bob@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, ann)
        assert await previews(orders, bob, order.id, str(uuid4())) == {}
        assert set(await previews(orders, shop.service_key, order.id)) == {order.id}
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await previews(orders, ann, *(str(uuid4()) for _ in range(21)))
    assert "order_ids" in from_error(raised.value).fields
