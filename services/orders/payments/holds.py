"""Holds that are about to end: held orders are rejected, and unclear ones are captured or released."""

import logging
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

from kit.db.database import Database
from kit.errors import Failure
from services.orders import status_reasons
from services.orders.books.postings import paid_manually
from services.orders.order import OrderStatus, RecoveryPoint
from services.orders.payment import Payment, PaymentState
from services.orders.payments import order_store, state_store
from services.orders.payments.observe import mismatch
from services.orders.payments.opening.opening import MAX_HELD
from services.orders.payments.order_store import Standing
from services.orders.payments.port import IntentState
from services.orders.payments.release import return_taken
from services.orders.payments.settings import AtExpiry
from services.orders.payments.start import Starts
from services.orders.payments.taking import ACTOR, Taking
from services.orders.status_reasons import FailureReason

logger = logging.getLogger(__name__)

# How long before its end a hold is captured or released.
MARGIN = timedelta(hours=24)
# Assumed duration of a hold whose end the payment provider doesn't report: the shortest that it documents.
SHORTEST_HOLD = timedelta(days=4, hours=18)
# Seconds until an order on which a run works is looked at again.
BUSY = 5.0
AGAIN = 60.0
# Seconds between reads of a hold while nothing is bought with it: the payment provider may end it early.
STANDS = 3600.0


class Holds:
    """Acts on payments of orders that are paid but not finished."""

    def __init__(
        self, database: Database, starts: Starts, taking: Taking, at_expiry: AtExpiry
    ) -> None:
        self._database = database
        self._starts = starts
        self._taking = taking
        self._at_expiry = at_expiry

    async def look(self, payment: Payment, standing: Standing) -> float | None:
        """Return the seconds until the next look, None for none; raises Failure as the port does."""
        now = self._database.now()
        waits = standing.unpaid and payment.held
        if (waits or standing.status is OrderStatus.NEEDS_REVIEW) and await self._gone(payment):
            await self._end(payment, standing)
            return None
        if waits:
            until = _until(payment)
            ends = until - MARGIN if until else (payment.held_at or now) + MAX_HELD
            if now < ends:
                return min(STANDS, (ends - now).total_seconds())
            await self._reject(payment, standing)
            return None
        open_order = standing.status in (OrderStatus.PROCESSING, OrderStatus.NEEDS_REVIEW)
        until = _until(payment)
        if until is None or not open_order:
            return None
        ends = until - MARGIN
        if now < ends:
            return min(STANDS, (ends - now).total_seconds())
        return await self._unclear(payment, standing, until)

    async def _gone(self, payment: Payment) -> bool:
        """Return whether the payment provider has ended the hold of a card."""
        if payment.state is not PaymentState.AUTHORIZED or payment.intent_id is None:
            return False
        intent = await self._starts.port.get_intent(payment.intent_id)
        return intent.state is IntentState.CANCELED

    async def _end(self, payment: Payment, standing: Standing) -> None:
        """Act on a hold that has ended: fail a held order; an order in review has to be paid again."""
        logger.error("the hold of order %s has ended", standing.order_id)
        async with self._database.system() as connection:
            now = await order_store.lock(connection, standing.order_id)
            if now.unpaid:
                await order_store.fail(
                    connection,
                    standing.order_id,
                    FailureReason.PAYMENT_FAILED,
                    status_reasons.MESSAGE_NOT_PAYABLE,
                    event="payment failed",
                    actor=ACTOR,
                    detail="the payment provider ended the hold while the order was held",
                )
            elif now.status is OrderStatus.NEEDS_REVIEW:
                await self._taking.released(
                    connection, payment, detail="the hold had ended", keep_wallet=True
                )

    async def _reject(self, payment: Payment, standing: Standing) -> None:
        async with self._database.system() as connection:
            await order_store.lock(connection, standing.order_id)
            await order_store.fail(
                connection,
                standing.order_id,
                FailureReason.PAYMENT_REJECTED,
                status_reasons.MESSAGE_REJECTED,
                event="held too long",
                actor=ACTOR,
                detail=f"the order was not released in time; it was held: {payment.held_reason}",
            )

    async def _unclear(self, payment: Payment, standing: Standing, until: datetime) -> float | None:
        """Capture or release the hold of an order of which it is unclear whether it was bought.

        `until` is when the hold ends.
        """
        if standing.status is OrderStatus.PROCESSING:
            if standing.point not in (RecoveryPoint.ATTEMPTED, RecoveryPoint.PLACED):
                return AGAIN  # the purchase ends it soon
            async with self._database.system() as connection:
                moved = await order_store.send_to_review(
                    connection,
                    standing.order_id,
                    status_reasons.MESSAGE_REVIEW,
                    f"the hold of its payment ends at {until:%Y-%m-%d %H:%M} UTC,"
                    f" before its purchase was settled; UNCLEAR_AT_EXPIRY={self._at_expiry}",
                    event="needs review",
                    actor=ACTOR,
                )
            if not moved:
                return BUSY
        logger.error(
            "the hold of order %s ends before its purchase was settled: %s",
            standing.order_id,
            self._at_expiry,
        )
        port, intent_id = self._starts.port, payment.intent_id or ""
        if self._at_expiry is AtExpiry.CAPTURE:
            intent = await port.capture(intent_id, payment.id)
        else:
            intent = await port.get_intent(intent_id)
            if intent.state is IntentState.AUTHORIZED:
                return await self._release(payment)
        why = mismatch(payment, intent) if intent.state is IntentState.PAID else ""
        async with self._database.system() as connection:
            if why:
                # Nothing is posted for this payment. Once the order is settled, the payment is compared
                # again, and refunded.
                logger.error("the payment of order %s does not match: %s", standing.order_id, why)
                await state_store.record_detail(
                    connection, payment.id, f"the payment does not match the order: {why}"
                )
                return None
            now = await order_store.lock(connection, standing.order_id)
            if now.status is not OrderStatus.NEEDS_REVIEW:
                return BUSY  # an operator has settled it meanwhile; the next look reads the intent
            if intent.state is IntentState.PAID:
                await self._taking.taken_early(
                    connection,
                    payment,
                    charge_id=intent.charge_id,
                    detail="captured before the order was settled, as the hold was about to end",
                )
            elif intent.state is IntentState.CANCELED:
                await self._taking.released(
                    connection,
                    payment,
                    detail="released before the order was settled, as the hold was about to end",
                    keep_wallet=True,
                )
            else:
                return AGAIN
        return None

    async def _release(self, payment: Payment) -> float | None:
        """Release the hold of an order in review.

        That is recorded first, while the order is locked: once it is resumed, its hold must stay.
        """
        async with self._database.system() as connection:
            now = await order_store.lock(connection, _order_id(payment))
            if now.status is not OrderStatus.NEEDS_REVIEW:
                return BUSY
            released = await self._taking.released(
                connection,
                payment,
                detail="released before the order was settled, as the hold was about to end",
                keep_wallet=True,
                due_in=timedelta(seconds=AGAIN),
            )
        return await self.end_released(released) if released is not None else BUSY

    async def end_released(self, payment: Payment) -> float | None:
        """Cancel the intent of a payment that was released, or paid in another way; return as `look` does."""
        port = self._starts.port
        try:
            intent = await port.cancel(payment.intent_id or "", payment.id)
        except Failure as failure:
            if failure.reason != "PAYMENT_NOT_FOUND":
                raise
            logger.warning(
                "the payment provider does not know the hold of order %s", payment.order_id
            )
            return None
        if intent.state is IntentState.CANCELED:
            return None
        if intent.state is not IntentState.PAID:
            return AGAIN
        # Somebody has captured it in the payment provider's dashboard.
        async with self._database.system() as connection:
            now = await order_store.lock(connection, _order_id(payment))
            stored = await state_store.lock(connection, payment.id)
            released = stored is not None and stored.state is PaymentState.RELEASED
            if stored is None or not (released or paid_manually(stored)):
                return None  # another look has recorded it
            in_review = released and now.status is OrderStatus.NEEDS_REVIEW
            if in_review and not mismatch(payment, intent):
                await self._taking.taken_early(
                    connection, stored, charge_id=intent.charge_id, detail="captured elsewhere"
                )
                return None
        logger.error("the released payment of order %s was captured: given back", payment.order_id)
        await return_taken(port, intent, uuid5(NAMESPACE_OID, f"foreign {payment.id}"))
        return None


def _order_id(payment: Payment) -> UUID:
    if payment.order_id is None:
        raise ValueError(f"payment {payment.id} is no payment of an order")
    return payment.order_id


def _until(payment: Payment) -> datetime | None:
    """Return when the hold of a card ends; None without one."""
    if payment.state is not PaymentState.AUTHORIZED or not payment.card_amount:
        return None
    return payment.capture_before or (payment.authorized_at or payment.created_at) + SHORTEST_HOLD
