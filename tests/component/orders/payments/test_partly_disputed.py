"""Payments of which a dispute has withdrawn a part: what can be refunded of the rest."""

from decimal import Decimal

import pytest

from protos.orders.v1 import orders_pb2
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payments.policy import RefundPolicy
from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.payments.provider_events import service_key
from tests.component.orders.payments.test_disputes import dispute, recorded, send_event, sold
from tests.component.orders.refunds.bought import wanted
from tests.fixtures.rpc.refusals import refused


@pytest.mark.parametrize("by_staff", [True, False])
async def test_of_a_partly_disputed_payment_the_rest_is_refunded(
    paid_shop: PaidShop, by_staff: bool
) -> None:
    policy = RefundPolicy.parse("to=wallet")
    async with sold(paid_shop, refund_policy=policy) as (service, order_id, row):
        dispute_id = await dispute(paid_shop, row, amount=50)
        await send_event(service, paid_shop, "charge.dispute.created", row, dispute_id)
        await recorded(paid_shop, dispute_id, "needs_response")
        if by_staff:
            whole = wanted(order_id, destination=pb.REFUND_DESTINATION_WALLET)
            await service.payments.RefundOrder(whole, metadata=service_key(paid_shop))
        else:
            buyer = await paid_shop.shop.session("b@example.com")
            cancel = orders_pb2.CancelOrderRequest(order_id=order_id)
            await service.orders.CancelOrder(cancel, metadata=buyer)
        [refund] = await paid_shop.shop.databases.admin.fetch("select * from orders.refunds")
        assert refund["destination"] == "WALLET"
        assert refund["amount"] == row["amount"] - Decimal("0.5")


async def test_nothing_goes_to_the_card_while_a_part_of_the_payment_is_disputed(
    paid_shop: PaidShop,
) -> None:
    """The payment provider refuses such a refund, but the eSIM would be gone already."""
    buyer, key = await paid_shop.shop.session("b@example.com"), service_key(paid_shop)
    async with sold(paid_shop) as (service, order_id, row):
        dispute_id = await dispute(paid_shop, row, amount=50)
        await send_event(service, paid_shop, "charge.dispute.created", row, dispute_id)
        await recorded(paid_shop, dispute_id, "needs_response")
        ask = pb.BatchGetRefundableRequest(order_ids=[order_id])
        [offer] = (await service.payments.BatchGetRefundable(ask, metadata=buyer)).refundables
        assert (offer.amount.units, offer.amount.nanos, offer.reason) == (0, 0, "DISPUTED")
        cancel = orders_pb2.CancelOrderRequest(order_id=order_id)
        assert await refused(service.orders.CancelOrder(cancel, metadata=buyer)) == (
            "ORDER_NOT_REFUNDABLE"
        )
        call = service.payments.RefundOrder(wanted(order_id, "0.5"), metadata=key)
        assert await refused(call) == "PAYMENT_DISPUTED"
        to_wallet = wanted(order_id, "0.5", destination=pb.REFUND_DESTINATION_WALLET)
        await service.payments.RefundOrder(to_wallet, metadata=key)

        resolved = {"status": "won"}
        await paid_shop.provider.control("POST", f"/disputes/{dispute_id}/resolve", resolved)
        await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
        await recorded(paid_shop, dispute_id, "won")
        await service.orders.CancelOrder(cancel, metadata=buyer)
        await paid_shop.shop.databases.until(
            "select bool_and(state = 'SUCCEEDED') and count(*) = 2 from orders.refunds"
        )
    payment = await paid_shop.payment(order_id)
    assert payment["refunded"] == payment["captured"]
