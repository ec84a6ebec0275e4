"""Refunds the payment of a failed order when a dispute that hindered its refund is won, or prevented."""

import logging

from kit.db.database import Connection
from services.orders.order import OrderStatus
from services.orders.payment import Payment, PaymentState, RefundDestination, RefundReason
from services.orders.payments import order_store
from services.orders.payments.disputes import store as disputes
from services.orders.payments.port import ProviderDispute
from services.orders.payments.refunds import keys, refund_store
from services.orders.payments.refunds.shares import left, left_on_card

logger = logging.getLogger(__name__)

ACTOR = "payment"


async def refund_rest(connection: Connection, payment: Payment, dispute: ProviderDispute) -> bool:
    """Record the refund of what a failed order's payment still keeps, once for each won dispute.

    The payment provider refuses refunds of a disputed charge. Returns whether the dispute has to be read
    again: its amount is not back yet, or a refund that it may have prevented is not settled. The caller has
    locked the order and the payment, and has recorded the dispute.
    """
    if dispute.withdrawn:
        return True
    if payment.order_id is None or payment.state is not PaymentState.RELEASED:
        return False
    # Another dispute of the same payment may be open.
    withdrawn = await disputes.withdrawn(connection, payment.id)
    # A part that was paid back in another way is no longer left, although it was paid by card.
    amount = min(left(payment, withdrawn), left_on_card(payment, withdrawn))
    if amount:
        refund = await refund_store.record(
            connection,
            payment,
            RefundDestination.CARD,
            amount,
            RefundReason.NOT_DELIVERED,
            key=keys.of_won_dispute(dispute.id),
            actor=ACTOR,
            note=f"the dispute {dispute.id} was won",
        )
        if refund is not None:
            await order_store.record(
                connection,
                payment.order_id,
                OrderStatus.FAILED,
                "refunded: dispute won",
                actor=ACTOR,
                note=f"{amount}",
            )
            logger.info("payment %s is refunded, as dispute %s is won", payment.id, dispute.id)
    return await refund_store.any_under_way(connection, payment.id)
