"""Takes the payment of a delivered order, and checks if the payment of an order is still valid."""

import logging
from datetime import datetime, timedelta

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from services.orders import status_reasons
from services.orders.order import OrderStatus
from services.orders.payment import Payment, PaymentState
from services.orders.payments import order_store, store
from services.orders.payments.disputes import store as disputes
from services.orders.payments.metrics import PaymentMetrics
from services.orders.payments.observe import mismatch
from services.orders.payments.port import Intent, IntentState
from services.orders.payments.start import Starts
from services.orders.payments.taking import Taking
from services.orders.work import Pause, Work, growing_pause

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds until a capture is tried again: a quarter of the time since the authorization, within these bounds.
MIN_PAUSE, MAX_PAUSE = 2.0, 300.0
# docs/runbooks/payments.md
HOLD_GONE = (
    "the eSIMs are delivered, but {}: ask the customer to pay, then record it"
    " (`esimgo payments mark-paid ORDER ...`) and resume the order"
)
ENDED = "the hold of the payment has ended"


class Captures:
    """Takes what an order's customer pays, once its eSIMs are registered."""

    def __init__(
        self, database: Database, starts: Starts, taking: Taking, metrics: PaymentMetrics
    ) -> None:
        self._database = database
        self._starts = starts
        self._taking = taking
        self._metrics = metrics

    async def authorized_at(self, work: Work) -> datetime | None:
        """Return since when the order can be bought.

        None if its payment was released or refunded, or a dispute has withdrawn it.
        """
        payment = await self._payment(work)
        if payment is None or payment.state not in (PaymentState.AUTHORIZED, PaymentState.PAID):
            return None
        if payment.refunded:
            return None  # because of a fraud warning
        if payment.state is PaymentState.PAID:  # nothing else can be disputed
            async with self._database.system() as connection:
                if await disputes.takes_payment(connection, payment):
                    return None
        return _began(payment)

    async def complete(self, work: Work, message: str) -> Pause | None:
        """Take the payment and complete the order, which has to be registered.

        Returns a pause if the payment provider can't be reached. A payment that can't be taken any more
        sends the order to review.
        """
        payment = await self._payment(work)
        if payment is None:
            raise LookupError(f"order {work.order.id} has no payment")
        work.since = _began(payment)
        again = growing_pause(self._age(payment), MIN_PAUSE, MAX_PAUSE)
        charge_id: str | None = None
        if payment.state is PaymentState.AUTHORIZED and payment.card_amount:
            try:
                intent = await self._capture(payment)
            except Failure as failure:
                episodes.record(
                    "payments of delivered orders are not captured yet",
                    "the payment of order %s is not captured yet: %s",
                    work.order.id,
                    failure,
                )
                return Pause(max(failure.retry_after or 0.0, again.seconds))
            if intent.state in (IntentState.AUTHORIZED, IntentState.PROCESSING):
                return again
            if why := mismatch(payment, intent):
                self._metrics.mismatched()
                why = f"the payment does not match the order, and goes back ({why})"
                await self._review(work, payment, why, gone=True)
                return None
            if intent.state is not IntentState.PAID:
                await self._review(work, payment, ENDED, gone=True)
                return None
            charge_id = intent.charge_id
        elif payment.state not in (PaymentState.AUTHORIZED, PaymentState.PAID):
            await self._review(work, payment, ENDED)
            return None
        async with self._database.system() as connection:
            await order_store.lock(connection, work.order.id)
            captured = await self._taking.captured(connection, payment, work.order, charge_id)
            if captured is None:
                return again  # it changed meanwhile
            await work.step("completed", connection, status=OrderStatus.COMPLETED, reason=message)
        return None

    def _age(self, payment: Payment) -> timedelta:
        """Return the time since the payment was authorized."""
        return self._database.now() - (payment.authorized_at or payment.created_at)

    async def _payment(self, work: Work) -> Payment | None:
        if work.payment is not None:
            return work.payment
        async with self._database.system() as connection:
            return await store.of_order(connection, work.order.id)

    async def read(self, connection: Connection, work: Work) -> None:
        """Read the payment of the order again, in a transaction of the run."""
        work.payment = await store.of_order(connection, work.order.id)

    async def _capture(self, payment: Payment) -> Intent:
        """Capture the hold; if the outcome is unclear, or it was refused, return the intent as it is."""
        intent_id = payment.intent_id or ""
        try:
            return await self._starts.port.capture(intent_id, payment.id)
        except Failure as failure:
            if failure.kind not in (Kind.UNCLEAR, Kind.REFUSED):
                raise
            self._metrics.unclear()
            return await self._starts.port.get_intent(intent_id)

    async def _review(self, work: Work, payment: Payment, why: str, *, gone: bool = False) -> None:
        """Send the order to review; `gone` if its hold has ended, or what was taken of it has to go back."""
        detail = HOLD_GONE.format(why)
        logger.error("order %s needs an operator: %s", work.order.id, detail)
        async with self._database.system() as connection:
            await order_store.lock(connection, work.order.id)
            await work.step(
                "needs review",
                connection,
                status=OrderStatus.NEEDS_REVIEW,
                reason=status_reasons.MESSAGE_REVIEW,
                detail=detail,
            )
            if gone:
                # Due at once: its intent is ended, or what was taken of it is refunded.
                await self._taking.released(
                    connection, payment, detail=why, keep_wallet=True, due_in=timedelta()
                )


def _began(payment: Payment) -> datetime:
    """Return since when the order can be bought: a held one since a person released it."""
    return max(
        payment.authorized_at or payment.created_at, payment.reviewed_at or payment.created_at
    )
