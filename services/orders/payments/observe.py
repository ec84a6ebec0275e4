"""Observes unpaid payments: reads them from the payment provider, and lets paid orders be bought."""

import logging
from dataclasses import replace
from datetime import timedelta

from kit.db.database import Database, after_commit
from kit.errors import Failure, Kind
from kit.values import money
from services.orders import status_reasons
from services.orders.metrics import Metrics
from services.orders.order import OrderStatus
from services.orders.payment import Payment, PaymentMethod, PaymentState
from services.orders.payments import order_store, state_store
from services.orders.payments.buying import Buying
from services.orders.payments.guards import Guards
from services.orders.payments.metrics import PaymentMetrics
from services.orders.payments.port import Intent, IntentState
from services.orders.payments.start import Started, Starts
from services.orders.payments.taking import ACTOR, Taking
from services.orders.status_reasons import FailureReason

logger = logging.getLogger(__name__)

# Failed tries after which the order fails: more of them are an attacker who tests stolen cards, or have no
# chance to succeed.
MAX_DECLINES = 5
# Seconds. The pauses between polls grow from 10 to 30 and 90 s. An event makes the payment due at once;
# without any event a paid order is found after 90 s at most.
FIRST_PAUSE, MAX_PAUSE = 10.0, 90.0
# Within this time, a purchase that begins now and the work on its payment have usually ended.
BOUGHT_BY_THEN = timedelta(minutes=1)
# `look` returns this if it changed the state of the payment, which also ended the lease.
CHANGED = -1.0
# Seconds between polls of a payment that the payment provider processes for days.
PROCESSING_PAUSE = 300.0


class Observation:
    """Updates unpaid payments from what the payment provider reports."""

    def __init__(
        self,
        database: Database,
        starts: Starts,
        guards: Guards,
        taking: Taking,
        metrics: PaymentMetrics,
        orders: Metrics,
        buying: Buying,
    ) -> None:
        self._database = database
        self._starts = starts
        self._guards = guards
        self._taking = taking
        self._metrics = metrics
        self._orders = orders
        self._buying = buying

    async def look(self, payment: Payment) -> float | None:
        """Look at an unpaid payment of an order; return the seconds until the next look, None for none.

        CHANGED means that it is no longer unpaid. Raises Failure as the port does: nothing has changed then.
        """
        if payment.method is not PaymentMethod.CARD:
            left = (payment.expires_at - self._database.now()).total_seconds()
            if left > 0:
                return left
            await self._unpaid(payment)
            return None
        if payment.intent_id is None and payment.session_id is None and self._expired(payment):
            # No client ever got what it needs to pay.
            await self._unpaid(payment)
            return None
        try:
            started = await self._starts.start(payment)
        except Failure as failure:
            if failure.kind is not Kind.REFUSED:
                raise
            await self._fail(
                payment,
                FailureReason.PAYMENT_FAILED,
                status_reasons.MESSAGE_NOT_PAYABLE,
                event="payment failed",
                detail=f"the payment provider refused the payment: {failure.summary}",
            )
            return None
        return await self.apply(started)

    async def apply(self, started: Started) -> float | None:
        """Act on what the payment provider reports; return the seconds until the next look."""
        payment, intent = started.payment, started.intent
        if intent is None:
            if started.session_open and not self._expired(payment):
                return self._pause(payment)
            return await self._end(started, *UNPAID)
        if why := mismatch(payment, intent):
            await self._mismatched(payment, why)
            return None
        match intent.state:
            case IntentState.AUTHORIZED | IntentState.PAID:
                await self._paid(payment, intent)
                return CHANGED
            case IntentState.PROCESSING:
                return PROCESSING_PAUSE
            case IntentState.CANCELED:
                await self._fail(
                    payment,
                    FailureReason.PAYMENT_FAILED,
                    status_reasons.MESSAGE_NOT_PAYABLE,
                    event="payment failed",
                    detail=f"the payment provider ended the payment: {intent.reason or 'no reason given'}",
                )
                return None
            case IntentState.OPEN:
                return await self._open(started, payment, intent)

    async def _open(self, started: Started, payment: Payment, intent: Intent) -> float | None:
        declines = payment.declines
        if intent.failure:
            declines = max(declines, await self._starts.port.declines(intent.id))
            async with self._database.system() as connection:
                await state_store.record_tries(connection, payment.id, intent.failure, declines)
        if declines >= MAX_DECLINES:
            return await self._end(
                started,
                FailureReason.CARD_DECLINED,
                status_reasons.MESSAGE_DECLINED,
                "card declined too often",
            )
        if self._expired(payment) or (payment.hosted and not started.session_open):
            return await self._end(started, *UNPAID)
        return self._pause(payment)

    def _expired(self, payment: Payment) -> bool:
        return self._database.now() >= payment.expires_at

    def _pause(self, payment: Payment) -> float:
        """Return the seconds until an open payment is polled again, but not past its end."""
        left = (payment.expires_at - self._database.now()) / timedelta(seconds=1)
        grown = FIRST_PAUSE * 3 ** min(max(payment.looks, 0), 5)
        return float(max(0.0, min(grown, MAX_PAUSE, left)))

    async def _end(
        self, started: Started, failure: FailureReason, message: str, event: str
    ) -> float | None:
        """Fail the order of an unpaid payment, whose end at the payment provider follows.

        A session is expired first: a customer who paid on it just before still gets the order. Without a
        session the order fails first, because canceling its intent could release the hold of an order that
        another run finds paid at the same moment.
        """
        payment, port = started.payment, self._starts.port
        if payment.hosted and payment.session_id is not None:
            checkout = await port.end_checkout(payment.session_id)
            found = await self._starts.with_intent(payment, checkout)
            payment, intent = found.payment, found.intent
            if intent is None:
                await self._fail(payment, failure, message, event=event)
                return None
            if why := mismatch(payment, intent):
                await self._mismatched(payment, why)
                return None
            if intent.state in (IntentState.AUTHORIZED, IntentState.PAID):
                await self._paid(payment, intent)
                return None
            if intent.state is IntentState.PROCESSING:
                return PROCESSING_PAUSE
        await self._fail(payment, failure, message, event=event)
        return None

    async def _paid(self, payment: Payment, intent: Intent) -> None:
        """Record that the order is paid, and let it be bought unless a person has to look at it."""
        if payment.order_id is None:
            raise ValueError(f"payment {payment.id} is no payment of an order")
        order_id = payment.order_id
        shown = replace(payment, card_fingerprint=intent.card_fingerprint)
        async with self._database.system() as connection:
            standing = await order_store.lock(connection, order_id)
            reason = ""
            if standing.unpaid:
                reason = await self._guards.reason(
                    connection, shown, self._database.now(), high_risk=intent.high_risk
                )
            if intent.state is IntentState.AUTHORIZED:
                due_in = BOUGHT_BY_THEN if standing.unpaid and not reason else timedelta()
                changed = await self._taking.authorized(connection, payment, intent, reason, due_in)
            else:
                changed = await self._taking.paid(connection, payment, intent, held_reason=reason)
            # An order that ended meanwhile stays as it is: the payment is due, and is released.
            if changed is None or not standing.unpaid:
                return
            if reason:
                await order_store.record(
                    connection, order_id, OrderStatus.PROCESSING, "held", actor=ACTOR, note=reason
                )
                logger.warning("order %s is paid, but held: %s", order_id, reason)
                return
            event = "authorized" if intent.state is IntentState.AUTHORIZED else "paid"
            await self._buying.buy(connection, changed, event=event, actor=ACTOR)

    async def _mismatched(self, payment: Payment, why: str) -> None:
        """Fail the order of a payment that is not what was requested; the money is given back next."""
        logger.error("the payment of order %s does not match: %s", payment.order_id, why)
        self._metrics.mismatched()
        await self._fail(
            payment,
            FailureReason.PAYMENT_MISMATCH,
            status_reasons.MESSAGE_MISMATCH,
            event="payment mismatch",
            detail=f"the payment does not match the order: {why}",
        )

    async def _unpaid(self, payment: Payment) -> None:
        failure, message, event = UNPAID
        await self._fail(payment, failure, message, event=event)

    async def _fail(
        self,
        payment: Payment,
        failure: FailureReason,
        message: str,
        *,
        event: str,
        detail: str | None = None,
    ) -> None:
        """Fail the order; a trigger makes its payment due, which is then released."""
        if payment.order_id is None:
            raise ValueError(f"payment {payment.id} is no payment of an order")
        async with self._database.system() as connection:
            standing = await order_store.lock(connection, payment.order_id)
            now = await state_store.lock(connection, payment.id)
            if now is None or now.state is not PaymentState.AWAITING:
                return  # another look was faster, and found it paid
            if detail is not None:
                await state_store.record_detail(connection, payment.id, detail)
            failed = await order_store.fail(
                connection,
                payment.order_id,
                failure,
                message,
                event=event,
                actor=ACTOR,
                detail=detail,
            )
            if failed:
                age = self._database.now() - standing.created_at
                after_commit(lambda: self._orders.changed(OrderStatus.FAILED, age))


UNPAID = (FailureReason.PAYMENT_EXPIRED, status_reasons.MESSAGE_UNPAID, "payment expired")


def mismatch(payment: Payment, intent: Intent) -> str:
    """Return how an intent differs from what was requested, for operators; empty if it does not."""
    if intent.payment_id != str(payment.id):
        return f"{intent.id} belongs to the payment {intent.payment_id or 'of another program'}"
    amounts = {intent.amount}
    if intent.state is IntentState.AUTHORIZED:
        amounts.add(intent.capturable)
    if intent.state is IntentState.PAID:
        amounts.add(intent.received)
    if amounts != {payment.card_amount} or intent.currency != payment.currency:
        found = " and ".join(str(money.plain(amount)) for amount in sorted(amounts))
        return (
            f"{intent.id} is about {found} {intent.currency} instead of"
            f" {money.plain(payment.card_amount)} {payment.currency}"
        )
    return ""
