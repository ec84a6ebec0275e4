"""Cancellations of orders whose payment was disputed in between."""

from decimal import Decimal
from typing import Any

from protos.orders.v1 import orders_pb2, payments_pb2
from services.orders.payments.disputes.settings import DisputeSettings
from services.orders.payments.policy import RefundPolicy
from services.orders.status_reasons import MESSAGE_REFUND_REPEATED
from tests.component.orders.payments.paid_shop import Open, PaidShop, buyer_id
from tests.component.orders.payments.test_disputes import NO_POLL, dispute, recorded, send_event
from tests.component.orders.refunds.bought import balances, bought, refunds, settled, wanted
from tests.component.orders.shop import Metadata

EVENTS = DisputeSettings(suspend=False, refund_warnings=False, poll_every=NO_POLL)


async def test_what_a_dispute_had_withdrawn_goes_back_with_the_next_cancellation(
    paid_shop: PaidShop,
) -> None:
    """The provider refuses the return of one of two bundles, in both cancellations."""
    buyer, _ = await buyer_id(paid_shop)
    policy = RefundPolicy.parse("to=wallet")
    async with paid_shop.open(disputes=EVENTS, refund_policy=policy) as service:
        order = await bought(paid_shop, service, buyer, quantity=2)
        row = await paid_shop.payment(order.id)
        half, rest = row["amount"] / 2, Decimal(1)
        dispute_id = await dispute(paid_shop, row, amount=int((row["amount"] - rest) * 100))
        await send_event(service, paid_shop, "charge.dispute.created", row, dispute_id)
        await recorded(paid_shop, dispute_id, "needs_response")
        cancel = orders_pb2.CancelOrderRequest(order_id=order.id)
        # Each bundle is validated twice, as the provider does not refund it: the first revoke is refused.
        refusal = {"method": "DELETE", "path": "/esims/*/bundles/*", "status": 400}
        await paid_shop.shop.fault(**refusal, skip=4)
        answer = await service.orders.CancelOrder(cancel, metadata=buyer)
        assert "1 of 2 bundles" in answer.order.status_reason
        [first] = await refunds(paid_shop)
        assert first["amount"] == rest

        won = {"status": "won"}
        await paid_shop.provider.control("POST", f"/disputes/{dispute_id}/resolve", won)
        await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
        await recorded(paid_shop, dispute_id, "won")
        await paid_shop.shop.fault(**refusal, skip=2)
        again = await service.orders.CancelOrder(cancel, metadata=buyer)
        assert "1 of 2 bundles" in again.order.status_reason
        await settled(paid_shop)
    _, second = await refunds(paid_shop)
    assert second["amount"] == half - rest
    assert (await paid_shop.payment(order.id))["refunded"] == half


async def _hindered(paid_shop: PaidShop, service: Open, buyer: Metadata) -> tuple[str, Any, str]:
    """Return an order, its payment and the dispute that was opened before the order was cancelled."""
    order = await bought(paid_shop, service, buyer)
    row = await paid_shop.payment(order.id)
    dispute_id = await dispute(paid_shop, row)
    cancel = orders_pb2.CancelOrderRequest(order_id=order.id)
    await service.orders.CancelOrder(cancel, metadata=buyer)
    await settled(paid_shop, "FAILED")
    return order.id, row, dispute_id


async def test_a_refund_that_a_dispute_hindered_is_made_once_that_is_won(
    paid_shop: PaidShop,
) -> None:
    """The dispute is opened before the order is cancelled, and reported after it."""
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open(disputes=EVENTS) as service:
        order_id, row, dispute_id = await _hindered(paid_shop, service, buyer)
        await send_event(service, paid_shop, "charge.dispute.created", row, dispute_id)
        await recorded(paid_shop, dispute_id, "needs_response")
        won = {"status": "won"}
        await paid_shop.provider.control("POST", f"/disputes/{dispute_id}/resolve", won)
        for _ in range(3):
            await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
            await recorded(paid_shop, dispute_id, "won")
            await paid_shop.shop.databases.until(
                "select count(*) = 2 and bool_and(state in ('FAILED', 'SUCCEEDED')) from orders.refunds"
            )
    assert [
        (one["state"], one["destination"], one["amount"]) for one in await refunds(paid_shop)
    ] == [
        ("FAILED", "CARD", row["amount"]),
        ("SUCCEEDED", "CARD", row["amount"]),
    ]
    payment = await paid_shop.payment(order_id)
    assert payment["refunded"] == payment["captured"]
    assert (await paid_shop.shop.row(order_id))["status_reason"] == MESSAGE_REFUND_REPEATED
    booked = await balances(paid_shop)
    assert booked["clearing:stripe"] == booked["disputes"] == 0


async def test_a_hindered_refund_that_was_made_in_another_way_is_not_made_again(
    paid_shop: PaidShop,
) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open(disputes=EVENTS) as service:
        order_id, row, dispute_id = await _hindered(paid_shop, service, buyer)
        by_hand = wanted(order_id, destination=payments_pb2.REFUND_DESTINATION_MANUAL)
        await service.payments.RefundOrder(by_hand, metadata=paid_shop.shop.service_key)
        won = {"status": "won"}
        await paid_shop.provider.control("POST", f"/disputes/{dispute_id}/resolve", won)
        await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
        await recorded(paid_shop, dispute_id, "won")
    assert [one["destination"] for one in await refunds(paid_shop)] == ["CARD", "MANUAL"]
