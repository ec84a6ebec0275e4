"""Adds to wallets: a payment without an order, taken at once, and credited once when it is paid."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import NAMESPACE_OID, UUID, uuid5

from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from services.orders.books import postings
from services.orders.books import store as books
from services.orders.payment import Payment, PaymentMethod, PaymentState
from services.orders.payments import state_store
from services.orders.payments.guards import RISK
from services.orders.payments.metrics import PaymentMetrics
from services.orders.payments.observe import MAX_DECLINES, mismatch
from services.orders.payments.opening.opening import FIRST_LOOK, blank
from services.orders.payments.port import Intent, IntentState
from services.orders.payments.release import GIVE_UP, UNKNOWN_AGAIN, return_taken
from services.orders.payments.settings import PaymentMode, PaymentSettings
from services.orders.payments.start import Started, Starts
from services.orders.payments.wallets import top_up_store, wallet_store
from services.orders.work import growing_pause

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

ACTOR = "top-up"
# Each is an object at the payment provider that somebody may still pay.
MAX_UNPAID = 5
# Seconds until an unpaid top-up is polled again, and one whose method takes days.
FIRST_PAUSE, MAX_PAUSE, PROCESSING_PAUSE = 10.0, 300.0, 3600.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A top-up that a customer requests."""

    amount: Decimal
    currency: str
    return_url: str
    save_method: bool
    client_address: str
    key: str


class TopUps:
    """Records top-ups, and credits them."""

    def __init__(
        self,
        database: Database,
        starts: Starts,
        settings: PaymentSettings,
        metrics: PaymentMetrics,
    ) -> None:
        self._database = database
        self._starts = starts
        self._settings = settings
        self._metrics = metrics

    async def record(self, customer_id: UUID, wanted: Wanted) -> Payment:
        """Record a top-up, or return the one that was recorded under the key.

        Raises Failure REFUSED: PAYMENT_METHOD_NOT_OFFERED, TOP_UP_NOT_OFFERED, TOP_UP_TOO_SMALL,
        TOP_UP_TOO_LARGE, TOO_MANY_TOP_UPS; and CONFLICT (IDEMPOTENCY_CONFLICT).
        """
        offered = {PaymentMethod.CARD, PaymentMethod.WALLET} <= self._settings.methods
        if self._settings.mode is not PaymentMode.REQUIRED or not offered:
            raise Failure(
                Kind.REFUSED,
                "PAYMENT_METHOD_NOT_OFFERED",
                "This shop has no wallets that a card can top up",
            )
        least = self._starts.port.minimum(wanted.currency)
        self._settings.top_ups.check(wanted.amount, wanted.currency, least)
        now = self._database.now()
        new = blank(
            customer_id=customer_id,
            method=PaymentMethod.CARD,
            amount=wanted.amount,
            wallet_amount=Decimal(0),
            currency=wanted.currency,
            state=PaymentState.AWAITING,
            hosted=bool(wanted.return_url),
            return_url=wanted.return_url,
            save_method=wanted.save_method,
            authorized_at=None,
            expires_at=now + self._settings.card_time,
            client_address=wanted.client_address,
            email_domain="",
            account_created_at=None,
            policy={},
            next_run_at=now + FIRST_LOOK,
            created_at=now,
        )
        # The lock keeps requests at once from counting the same top-ups.
        async with self._database.system(locks=(f"top-ups {customer_id}",)) as connection:
            known = await top_up_store.by_key(connection, customer_id, wanted.key)
            if known is not None:
                _check_same(known, wanted)
                return known
            if await top_up_store.unpaid(connection, customer_id) >= MAX_UNPAID:
                raise Failure(
                    Kind.REFUSED,
                    "TOO_MANY_TOP_UPS",
                    f"You have {MAX_UNPAID} unpaid top-ups: pay one of them, or wait until they expire",
                )
            recorded = await top_up_store.insert(connection, new, wanted.key)
        if recorded is None:
            raise LookupError("a key is in use in spite of the lock")
        return recorded

    async def look(self, payment: Payment) -> float | None:
        """Act on what the payment provider reports; return the seconds until the next look, None for none."""
        if payment.state is not PaymentState.AWAITING:
            return None
        if payment.intent_id is None and payment.session_id is None and self._expired(payment):
            # No client ever got what it needs to pay.
            return await self._end_unstarted(payment, "it was never started")
        try:
            started = await self._starts.start(payment)
        except Failure as failure:
            if failure.kind is not Kind.REFUSED:
                raise
            why = f"the payment provider refused it: {failure.reason}"
            if payment.intent_id is None and payment.session_id is None:
                return await self._end_unstarted(payment, why)
            age = self._database.now() - payment.created_at
            if failure.reason == "PAYMENT_NOT_FOUND" and age <= GIVE_UP:
                # With the key of another account by mistake, the customer may still pay.
                episodes.record(
                    "top-ups are unknown to the payment provider",
                    "the top-up %s is unknown to the payment provider: check STRIPE_SECRET_KEY",
                    payment.id,
                    level=logging.ERROR,
                )
                return UNKNOWN_AGAIN
            await self._end(payment, why)
            return None
        return await self._apply(started)

    async def _apply(self, started: Started, *, ended: bool = False) -> float | None:
        """`ended` is True once the payment provider was told to end the payment."""
        payment, intent = started.payment, started.intent
        if intent is None:
            if started.session_open and not self._expired(payment):
                return self._pause(payment)
            return await self._expire(started, ended=ended)
        # With a detail, an earlier look has begun to give it back: whatever the guards say now.
        if why := payment.detail or self._refused(payment, intent):
            return await self._give_back(started, intent, why)
        match intent.state:
            case IntentState.PAID:
                await self._credit(payment, intent)
                return None
            case IntentState.AUTHORIZED:
                captured = await self._starts.port.capture(intent.id, payment.id)
                if captured.state is not IntentState.PAID:
                    return FIRST_PAUSE
                await self._credit(payment, captured)
                return None
            case IntentState.PROCESSING:
                return PROCESSING_PAUSE
            case IntentState.CANCELED:
                await self._end(payment, intent.reason or "the payment provider ended it")
                return None
            case IntentState.OPEN:
                return await self._open(started, intent, ended=ended)

    async def _open(self, started: Started, intent: Intent, *, ended: bool) -> float | None:
        payment = started.payment
        declines = payment.declines
        if intent.failure:
            declines = max(declines, await self._starts.port.declines(intent.id))
            async with self._database.system() as connection:
                await state_store.record_tries(connection, payment.id, intent.failure, declines)
        if declines >= MAX_DECLINES:
            return await self._expire(started, ended=ended, why="the card was declined too often")
        if self._expired(payment) or (payment.hosted and not started.session_open):
            return await self._expire(started, ended=ended)
        return self._pause(payment)

    def _expired(self, payment: Payment) -> bool:
        return self._database.now() >= payment.expires_at

    def _pause(self, payment: Payment) -> float:
        """Return the seconds until an unpaid top-up is polled again, but not past its end."""
        now = self._database.now()
        left = (payment.expires_at - now) / timedelta(seconds=1)
        pause = growing_pause(now - payment.created_at, FIRST_PAUSE, MAX_PAUSE).seconds
        return float(max(0.0, min(pause, left)))

    def _refused(self, payment: Payment, intent: Intent) -> str:
        """Return why a top-up is given back instead of credited, for the staff; empty if it is not."""
        if why := mismatch(payment, intent):
            self._metrics.mismatched()
            return f"it does not match: {why}"
        paid = intent.state in (IntentState.AUTHORIZED, IntentState.PAID)
        if paid and intent.high_risk and self._settings.guards.get(RISK):
            return "the payment provider rates the risk as high"
        return ""

    async def _give_back(self, started: Started, intent: Intent, why: str) -> float | None:
        """End a top-up at the payment provider, or refund what was taken; then end it here.

        No refund is recorded, as nothing was booked.
        """
        payment, port = started.payment, self._starts.port
        logger.error("the top-up %s is given back: %s", payment.id, why)
        async with self._database.system() as connection:
            await state_store.record_detail(connection, payment.id, why)
        if intent.state not in (IntentState.PAID, IntentState.CANCELED):
            if payment.hosted and payment.session_id is not None:
                await port.end_checkout(payment.session_id)
            try:
                intent = await port.cancel(intent.id, payment.id)
            except Failure as failure:
                # The intent of a session can be canceled only while its amount is held.
                if failure.kind not in (Kind.REFUSED, Kind.UNCLEAR):
                    raise
                intent = await port.get_intent(intent.id)
        if intent.state is IntentState.PAID:
            refund_id = uuid5(NAMESPACE_OID, f"foreign {payment.id}")
            await return_taken(port, intent, refund_id)
            why = f"{why}; refunded by {refund_id}"
        elif intent.state in (IntentState.AUTHORIZED, IntentState.PROCESSING):
            return PROCESSING_PAUSE
        await self._end(payment, why)
        return None

    async def _expire(
        self, started: Started, *, ended: bool, why: str = "it was not paid in time"
    ) -> float | None:
        """End an unpaid top-up at the payment provider first, so that it can't be paid any more."""
        payment, port = started.payment, self._starts.port
        if ended:
            # Its intent can't be paid any more without the session, or is about to be canceled.
            if started.intent is not None and not payment.hosted:
                return FIRST_PAUSE
            await self._end(payment, why)
            return None
        if payment.hosted and payment.session_id is not None:
            checkout = await port.end_checkout(payment.session_id)
            return await self._apply(await self._starts.with_intent(payment, checkout), ended=True)
        if started.intent is None:
            await self._end(payment, why)
            return None
        canceled = await port.cancel(started.intent.id, payment.id)
        return await self._apply(Started(payment, canceled), ended=True)

    async def _credit(self, payment: Payment, intent: Intent) -> None:
        """Record that a top-up is paid, credit the wallet and post it, once."""
        async with self._database.system() as connection:
            captured = await state_store.change(
                connection, payment, PaymentState.CAPTURED, charge_id=intent.charge_id
            )
            if captured is None:
                return
            wallet_id = await wallet_store.get_or_create(
                connection, captured.customer_id, captured.currency
            )
            await wallet_store.top_up(connection, wallet_id, captured.amount, captured.id, ACTOR)
            await books.post(connection, postings.topped_up(captured, wallet_id), actor=ACTOR)
        self._metrics.changed(captured.state, captured.method)

    async def _end_unstarted(self, payment: Payment, why: str) -> float | None:
        """End a top-up unless it was started meanwhile; return the seconds until the next look."""
        async with self._database.system() as connection:
            ended = await top_up_store.end_unstarted(connection, payment.id, _ended(why))
        if ended is None:
            return FIRST_PAUSE
        self._metrics.changed(ended.state, ended.method)
        return None

    async def _end(self, payment: Payment, why: str) -> None:
        async with self._database.system() as connection:
            ended = await state_store.change(
                connection, payment, PaymentState.RELEASED, detail=_ended(why)
            )
        if ended is not None:
            self._metrics.changed(ended.state, ended.method)


def _ended(why: str) -> str:
    return f"the top-up ended: {why}"


def _check_same(known: Payment, wanted: Wanted) -> None:
    """Raise Failure CONFLICT unless the request is the one that recorded this top-up."""
    before = (known.amount, known.currency, known.return_url, known.save_method)
    if before != (wanted.amount, wanted.currency, wanted.return_url, wanted.save_method):
        raise Failure(
            Kind.CONFLICT,
            "IDEMPOTENCY_CONFLICT",
            "This key was used for another top-up; use a new key",
        )
