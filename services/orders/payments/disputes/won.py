"""Refunds what failed and cancelled orders owe when a dispute that hindered it is won, or prevented."""

import logging
from decimal import Decimal

from kit.db.database import Connection
from services.orders import status_reasons
from services.orders.payment import Payment, PaymentState, RefundDestination, RefundReason
from services.orders.payments import order_store
from services.orders.payments.disputes import store as disputes
from services.orders.payments.port import ProviderDispute
from services.orders.payments.refunds import keys, refund_store
from services.orders.payments.refunds.shares import left, to_card

logger = logging.getLogger(__name__)

ACTOR = "payment"


async def refund_rest(connection: Connection, payment: Payment, dispute: ProviderDispute) -> bool:
    """Record the refund that an order's payment still owes, once for each won dispute.

    Of a failed order that is all that is left, of a cancelled one what its cancellation gave back: the
    payment provider refuses refunds of a disputed charge. Returns whether the dispute has to be read again:
    its amount is not back yet, or a refund that it may have prevented is not settled. The caller has locked
    the order and the payment, and has recorded the dispute.
    """
    if dispute.withdrawn:
        return True
    if payment.order_id is None or not payment.captured:
        return False
    # Another dispute of the same payment may be open.
    withdrawn = await disputes.withdrawn(connection, payment.id)
    # A part that was paid back in another way is no longer left, although it was paid by card.
    owed, failed = left(payment, withdrawn), payment.state is PaymentState.RELEASED
    if not failed:
        owed = min(owed, await refund_store.hindered(connection, payment.id))
    if amount := to_card(payment, owed, withdrawn):
        await _record(connection, payment, amount, dispute, failed=failed)
    return await refund_store.any_under_way(connection, payment.id)


async def _record(
    connection: Connection,
    payment: Payment,
    amount: Decimal,
    dispute: ProviderDispute,
    *,
    failed: bool,
) -> None:
    refund = await refund_store.record(
        connection,
        payment,
        RefundDestination.CARD,
        amount,
        # What a cancellation gave back is the sum of the refunds with its reason, and counted already.
        RefundReason.NOT_DELIVERED if failed else RefundReason.STAFF,
        key=keys.of_won_dispute(dispute.id),
        actor=ACTOR,
        note=f"the dispute {dispute.id} was won",
    )
    if refund is None or payment.order_id is None:
        return
    if not failed:
        message = status_reasons.MESSAGE_REFUND_REPEATED
        await order_store.explain_refund(connection, payment.order_id, message)
    standing = await order_store.standing(connection, payment.order_id)
    await order_store.record(
        connection,
        payment.order_id,
        standing.status,
        "refunded: dispute won",
        actor=ACTOR,
        note=f"{amount}",
    )
    logger.info("payment %s is refunded, as dispute %s is won", payment.id, dispute.id)
