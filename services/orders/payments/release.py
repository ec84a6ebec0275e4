"""Gives the payment of a failed order back: ends the intent, releases the hold, or refunds what was taken."""

import logging
from datetime import timedelta
from decimal import Decimal
from uuid import NAMESPACE_OID, UUID, uuid5

from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from services.orders.payment import Payment, PaymentMethod, PaymentState, RefundReason
from services.orders.payments import order_store, state_store
from services.orders.payments.observe import mismatch
from services.orders.payments.port import Intent, IntentState, PaymentPort, ProviderRefundState
from services.orders.payments.refunds import keys, refund
from services.orders.payments.refunds.refund import Refunding
from services.orders.payments.refunds.shares import left, shares
from services.orders.payments.start import Starts
from services.orders.payments.taking import ACTOR, Taking

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds until an intent that can't be ended yet is looked at again.
AGAIN = 60.0
# The same for a payment that the payment provider does not know: each look logs an error.
UNKNOWN_AGAIN = 3600.0
# A payment that can't be ended at the payment provider is given up after this time: no client can pay it.
GIVE_UP = timedelta(days=2)


class Releases:
    """Releases payments of failed orders. Every method can be repeated."""

    def __init__(
        self, database: Database, starts: Starts, taking: Taking, refunding: Refunding
    ) -> None:
        self._database = database
        self._starts = starts
        self._taking = taking
        self._refunding = refunding

    async def release(self, payment: Payment) -> float | None:
        """Give the payment of a failed order back; return the seconds until the next look, None for none.

        Raises Failure as the port does.
        """
        match payment.state:
            case PaymentState.PAID:
                await self._refund(payment)
            case PaymentState.RELEASED:
                await self._record_released(payment)
            case PaymentState.AWAITING | PaymentState.AUTHORIZED:
                return await self._end(payment)
            case PaymentState.CAPTURED:
                pass
        return None

    async def _end(self, payment: Payment) -> float | None:
        try:
            intent = await self._ended(payment)
        except Failure as failure:
            if failure.reason != "PAYMENT_NOT_FOUND":
                raise
            return await self._unknown(payment)
        if intent is None or intent.state is IntentState.CANCELED:
            await self._record_released(payment)
            return None
        if intent.state is IntentState.PAID:
            if why := mismatch(payment, intent):
                await self._return_foreign(payment, intent, why)
                return None
            async with self._database.system() as connection:
                await order_store.lock(connection, _order_id(payment))
                if payment.state is PaymentState.AWAITING:
                    await self._taking.paid(connection, payment, intent)
                else:
                    await self._taking.taken_early(connection, payment, charge_id=intent.charge_id)
            return None  # due again, to be refunded
        if self._database.now() - payment.created_at > GIVE_UP and intent.state is IntentState.OPEN:
            await self._record_released(payment, f"{intent.id} could not be ended")
            return None
        return AGAIN

    async def _ended(self, payment: Payment) -> Intent | None:
        """End a payment at the payment provider; return its intent as it is then, None without one."""
        if payment.method is not PaymentMethod.CARD or not payment.card_amount:
            return None
        port = self._starts.port
        intent_id, session_id = payment.intent_id, payment.session_id
        if intent_id is None and session_id is None:
            # The answer to its start may have been lost. No client has got what it needs to pay.
            found = await self._starts.find(payment)
            if found is None:
                return None
            intent_id, session_id = found.payment.intent_id, found.payment.session_id
        if session_id is not None and payment.state is PaymentState.AWAITING:
            checkout = await port.end_checkout(session_id)
            intent_id = intent_id or checkout.intent_id
        if intent_id is None:
            return None
        try:
            return await port.cancel(intent_id, payment.id)
        except Failure as failure:
            # The intent of a session can be canceled only while its amount is held.
            if failure.kind not in (Kind.REFUSED, Kind.UNCLEAR):
                raise
            return await port.get_intent(intent_id)

    async def _unknown(self, payment: Payment) -> float | None:
        """Act on a payment that the payment provider does not know, such as after a change of the account.

        With the key of another account by mistake, the customer may still pay, so it is not given up at once.
        """
        if self._database.now() - payment.created_at <= GIVE_UP:
            episodes.record(
                "payments of failed orders are unknown to the payment provider",
                "the payment of failed order %s is unknown to the payment provider: check STRIPE_SECRET_KEY",
                payment.order_id,
                level=logging.ERROR,
            )
            return UNKNOWN_AGAIN
        logger.error(
            "the payment of failed order %s is released, although the payment provider does not know it",
            payment.order_id,
        )
        await self._record_released(payment, "the payment provider does not know it any more")
        return None

    async def _record_released(self, payment: Payment, detail: str | None = None) -> None:
        async with self._database.system() as connection:
            await order_store.lock(connection, _order_id(payment))
            await self._taking.released(connection, payment, detail=detail)

    async def _refund(self, payment: Payment) -> None:
        """Record the refunds of everything that was taken, which a loop then carries out."""
        async with self._database.system() as connection:
            order, locked = await refund.locked(connection, _order_id(payment), payment.id)
            if locked.state is not PaymentState.PAID:
                return
            if rest := left(locked):
                await self._refunding.record(
                    connection,
                    locked,
                    order,
                    shares(locked, rest),
                    RefundReason.NOT_DELIVERED,
                    key=keys.NOT_DELIVERED,
                    actor=ACTOR,
                )
            await self._taking.released(connection, locked)
            await order_store.promise_refund(connection, _order_id(payment))

    async def _return_foreign(self, payment: Payment, intent: Intent, why: str) -> None:
        """Refund an amount that is not the requested one, as far as that is possible.

        It fits no refund of the payment, so it is recorded in the payment's details only.
        """
        refund_id = uuid5(NAMESPACE_OID, f"foreign {payment.id}")
        async with self._database.system() as connection:
            await state_store.record_detail(
                connection, payment.id, f"{why}; refunded by {refund_id}"
            )
        await return_taken(self._starts.port, intent, refund_id)
        logger.error("the payment of order %s was refunded: %s", payment.order_id, why)
        await self._record_released(payment)


async def return_taken(port: PaymentPort, intent: Intent, refund_id: UUID) -> None:
    """Refund what was taken and is not refunded yet; can be repeated. Raises Failure as the port does."""
    known = await port.list_refunds(intent.id)
    if any(one.refund_id == str(refund_id) for one in known):
        return
    # The staff may have refunded a part, or all of it, in the payment provider's dashboard.
    given = (one.amount for one in known if one.state is not ProviderRefundState.FAILED)
    rest = intent.received - sum(given, Decimal(0))
    if rest <= 0:
        return
    try:
        await port.refund(intent.id, refund_id, rest, intent.currency, fraudulent=False)
    except Failure as failure:
        if failure.reason != "PAYMENT_ALREADY_REFUNDED":
            raise


def _order_id(payment: Payment) -> UUID:
    if payment.order_id is None:
        raise ValueError(f"payment {payment.id} is no payment of an order")
    return payment.order_id
