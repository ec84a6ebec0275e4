"""Cancellations of orders whose payment was disputed in between."""

from decimal import Decimal

from protos.orders.v1 import orders_pb2
from services.orders.payments.disputes.settings import DisputeSettings
from services.orders.payments.policy import RefundPolicy
from tests.component.orders.payments.paid_shop import PaidShop, buyer_id
from tests.component.orders.payments.test_disputes import NO_POLL, dispute, recorded, send_event
from tests.component.orders.refunds.bought import bought, refunds, settled

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
