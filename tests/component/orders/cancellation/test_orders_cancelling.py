"""Cancelling orders: what the provider takes back, what it refuses, and interrupted cancellations."""

from dataclasses import replace
from decimal import Decimal

import grpc
import pytest

from protos.orders.v1 import orders_pb2
from tests.component.orders.cancellation.cancelling import REFUNDED, bought, cancel, states
from tests.component.orders.shop import Shop, reaches, request
from tests.component.orders.stand_ins import AWAY
from tests.fixtures.patience import until
from tests.fixtures.rpc.refusals import reason_of

CANCELLED = orders_pb2.ORDER_STATUS_CANCELLED


async def test_an_unused_order_is_refunded_if_refunds_are_on(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    before = shop.sandbox.world.account.balance
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=3)
        assert shop.sandbox.world.account.balance < before
        answer = await cancel(orders, order, buyer)
    assert answer.order.status == REFUNDED
    assert "refunded" in answer.message
    assert len(answer.revoked) == 3
    assert {r.refund for r in answer.revoked} == {orders_pb2.REFUND_RESULT_BALANCE}
    assert shop.sandbox.world.account.balance == before
    assert states(shop, order) == ["revoked"] * 3
    assert shop.esims.cancelled == [order.id]


async def test_an_unused_order_is_cancelled_without_a_refund_if_refunds_are_off(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        answer = await cancel(orders, order, buyer)
        again = await cancel(orders, order, buyer)
    assert answer.order.status == CANCELLED
    assert "does not refund" in answer.message
    assert [r.refund for r in answer.revoked] == [orders_pb2.REFUND_RESULT_NONE]
    assert again == answer
    assert shop.esims.cancelled == [order.id]
    events = await shop.databases.admin.fetch(
        "select actor, reason, to_status from orders.order_events order by id"
    )
    assert [tuple(event) for event in events][5:] == [
        (order.customer_id, "cancellation asked for", "COMPLETED"),
        ("cancellation", "revoking a bundle", "COMPLETED"),
        ("cancellation", "bundle revoked", "COMPLETED"),
        ("cancellation", "cancelled", "CANCELLED"),
    ]


async def test_a_used_order_is_not_cancelled(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=2)
        iccid = shop.esims.registered[order.id].esims[1].iccid
        await shop.control(f"esims/{iccid}/install")
        await shop.control(f"esims/{iccid}/use-data", megabytes=1)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await cancel(orders, order, buyer)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason_of(raised.value) == "ORDER_IN_USE"
    assert "revoked" not in states(shop, order)
    assert await shop.stored_status(order.id) == "COMPLETED"


async def test_a_failed_order_has_nothing_to_cancel(shop: Shop) -> None:
    await shop.control("balance", set=0)
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        failed = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await cancel(orders, failed, buyer)
    assert reason_of(raised.value) == "ORDER_NOT_CANCELLABLE"


async def test_an_order_in_progress_cannot_be_cancelled_yet(shop: Shop) -> None:
    shop.sandbox.world.switches.async_seconds = 3600
    buyer = await shop.session("b@example.com")
    async with shop.open(purchase_wait=0.3) as orders:
        order = (await orders.CreateOrder(request(shop, quantity=6), metadata=buyer)).order
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await cancel(orders, order, buyer)
    assert reason_of(raised.value) == "ORDER_NOT_CANCELLABLE"


@pytest.mark.parametrize("effect", ["done", "none"])
async def test_a_revocation_with_a_lost_response_is_looked_up_with_its_refund(
    shop: Shop, effect: str
) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        # The first DELETE is the validation.
        await shop.fault(
            method="DELETE", path="/esims/*/bundles/*", drop=True, effect=effect, skip=1
        )
        answer = await cancel(orders, order, buyer)
    assert answer.order.status == REFUNDED
    assert states(shop, order) == ["revoked"]
    assert refunds(shop) == [Decimal(str(shop.catalogue.bundles[shop.plan_id].price))]


async def test_a_refused_validation_changes_nothing(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=2)
        await shop.fault(method="DELETE", path="/esims/*/bundles/*", status=400, count=0)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await cancel(orders, order, buyer)
    assert reason_of(raised.value) == "ORDER_NOT_CANCELLABLE"
    assert states(shop, order) == ["queued"] * 2
    assert (await shop.row(order.id))["cancel_requested_at"] is None


async def test_a_partly_refused_cancellation_reports_what_was_cancelled_and_keeps_the_rest(
    shop: Shop,
) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=2)
        # Refunds are off, so each of the two is validated twice.
        await shop.fault(method="DELETE", path="/esims/*/bundles/*", status=400, skip=4)
        answer = await cancel(orders, order, buyer)
        assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED
        assert answer.message.startswith("1 of 2 bundles were cancelled")
        assert len(answer.revoked) == 1
        assert sorted(states(shop, order)) == ["queued", "revoked"]
        assert shop.esims.cancelled == []
        revoked = [revoked.iccid for revoked in answer.revoked]
        assert shop.esims.partly_cancelled == [(order.reference, revoked)]
        again = await cancel(orders, order, buyer)
    assert again.order.status == CANCELLED
    assert len(again.revoked) == 2
    assert states(shop, order) == ["revoked"] * 2


async def test_a_cancellation_resumes_after_a_restart(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=2)
    shop.esims.failure = AWAY

    async with shop.open(purchase_wait=0.5) as orders:
        answer = await cancel(orders, order, buyer)
        assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED
        assert "being cancelled" in answer.message
        await until(lambda: states(shop, order) == ["revoked"] * 2)
    shop.esims.failure = None
    # As if the process had died between the revocation of one of the two and its record.
    await shop.databases.admin.execute(
        "update orders.order_revocations set state = 'STARTED', refund = null"
        " where iccid = (select min(iccid) from orders.order_revocations)"
    )
    await shop.databases.admin.execute("update orders.esim_orders set next_run_at = now()")

    async with shop.open():
        await reaches(shop, order.id, "CANCELLED")
    assert shop.esims.cancelled == [order.id]
    assert states(shop, order) == ["revoked"] * 2


async def test_another_customers_order_is_not_found(shop: Shop) -> None:
    async with shop.open() as orders:
        order = await bought(shop, orders, await shop.session("b@example.com"))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await cancel(orders, order, await shop.session("other@example.com"))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert states(shop, order) == ["queued"]


def refunds(shop: Shop) -> list[Decimal]:
    return [entry.amount for entry in shop.sandbox.world.ledger if entry.kind == "refund"]


async def test_only_the_unused_part_of_an_order_in_use_is_cancelled_on_request(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=2)
        used = next(a for a in shop.sandbox.world.assignments if a.state == "queued")
        country = shop.catalogue.bundles[shop.plan_id].countries[0].iso
        await shop.control(f"esims/{used.iccid}/use-data", megabytes=1, country=country)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await cancel(orders, order, buyer)
        assert reason_of(raised.value) == "ORDER_IN_USE"
        answer = await orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=order.id, unused_only=True), metadata=buyer
        )
        assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED
        assert answer.message.startswith("1 of 2 bundles were cancelled; the others are in use")
        assert [r.iccid for r in answer.revoked] != [used.iccid]
        assert len(answer.revoked) == len(refunds(shop)) == 1
        assert shop.esims.partly_cancelled == [(order.reference, [answer.revoked[0].iccid])]
        with pytest.raises(grpc.aio.AioRpcError) as again:
            await orders.CancelOrder(
                orders_pb2.CancelOrderRequest(order_id=order.id, unused_only=True), metadata=buyer
            )
        assert reason_of(again.value) == "ORDER_IN_USE"


@pytest.mark.parametrize(
    "name", ["esim_1GB/7D_V2", "a b?c#d%2F&é", "one/two/three/", "back\\slash"]
)
async def test_a_plan_with_any_name_can_be_cancelled(shop: Shop, name: str) -> None:
    plan_id = shop.plan_id
    bundle = replace(shop.catalogue.bundles[plan_id], name=name)
    shop.sandbox.world.catalogue.put_on_sale(bundle.to_json(unlimited_mb=-1))
    shop.catalogue.bundles[plan_id] = bundle
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        assert order.bundle_name == name
        answer = await cancel(orders, order, buyer)
    assert answer.order.status == REFUNDED
    assert states(shop, order) == ["revoked"]
