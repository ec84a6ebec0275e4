"""Decisions of people about unfinished payments: release or reject a held order, record a payment, cancel."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Connection, Database, after_commit
from kit.errors import Failure, Kind
from kit.values import money
from services.orders import status_reasons
from services.orders.metrics import Metrics
from services.orders.order import Order, OrderStatus
from services.orders.organizations import membership
from services.orders.payment import Payment, PaymentMethod, PaymentState
from services.orders.payments import order_store, state_store, store
from services.orders.payments.buying import Buying
from services.orders.payments.disputes import store as disputes
from services.orders.payments.order_store import Standing
from services.orders.payments.start import not_open
from services.orders.payments.taking import Taking
from services.orders.status_reasons import FailureReason


class Decisions:
    """Records each decision with its actor in the order's history.

    `look` reads a payment from the payment provider, if that can be reached.
    """

    def __init__(
        self,
        database: Database,
        taking: Taking,
        orders: Metrics,
        buying: Buying,
        wake: Callable[[], None],
        look: Callable[[UUID], Awaitable[None]],
    ) -> None:
        self._database = database
        self._taking = taking
        self._orders = orders
        self._buying = buying
        self._wake = wake
        self._look = look

    async def release(self, order_id: UUID, actor: str, note: str) -> Payment:
        """Let a held order be bought; raises Failure REFUSED (ORDER_NOT_HELD, PAYMENT_DISPUTED)."""
        async with self._database.system() as connection:
            held = await store.of_order(connection, order_id)
        if held is not None:
            await self._look(held.id)  # its hold may have ended meanwhile
        async with self._database.system() as connection:
            payment, _ = await self._held(connection, order_id, actor)
            if await disputes.takes_payment(connection, payment):
                raise Failure(
                    Kind.REFUSED,
                    "PAYMENT_DISPUTED",
                    "A dispute has withdrawn the payment of this order, so it must not be bought: reject it,"
                    " or release it once the dispute is won",
                )
            await self._buying.buy(connection, payment, event="released", actor=actor, note=note)
            return payment

    async def reject(self, order_id: UUID, actor: str, note: str) -> Payment:
        """Fail a held order, whose payment is then given back; raises Failure REFUSED (ORDER_NOT_HELD)."""
        async with self._database.system() as connection:
            payment, standing = await self._held(connection, order_id, actor)
            await self._fail(
                connection,
                standing,
                FailureReason.PAYMENT_REJECTED,
                status_reasons.MESSAGE_REJECTED,
                event="rejected",
                actor=actor,
                note=note,
            )
            return payment

    async def cancel(self, order: Order, session: Session) -> bool:
        """Fail an order that was not bought yet, at its customer's request; False if it is too late.

        Whatever was paid meanwhile is given back. Raises Failure as `membership.check_acts` does.
        """
        async with self._database.system() as connection:
            await membership.check_acts(
                connection, order.organization_id, order.customer_id, session
            )
            standing = await order_store.lock(connection, order.id)
            return await self._fail(
                connection,
                standing,
                FailureReason.CANCELLED_BY_CUSTOMER,
                status_reasons.MESSAGE_CANCELLED_UNPAID,
                event="cancelled before the purchase",
                actor=str(session.user_id or "service"),
            )

    async def mark_paid(
        self, order_id: UUID, amount: Decimal, currency: str, reference: str, actor: str
    ) -> Payment:
        """Record that a customer paid an order in another way, and let it be bought if it was not.

        Only for an unpaid order with the method MANUAL, or one in review whose hold has ended.

        Raises Failure NOT_FOUND (ORDER_NOT_FOUND), and REFUSED: ORDER_WITHOUT_PAYMENT, PAYMENT_NOT_OPEN,
        AMOUNT_DIFFERS.
        """
        async with self._database.system() as connection:
            payment, standing = await _locked(connection, order_id)
            manual = payment.method is PaymentMethod.MANUAL
            awaits = manual and payment.state is PaymentState.AWAITING and standing.unpaid
            ended = (
                payment.state is PaymentState.RELEASED
                and standing.status is OrderStatus.NEEDS_REVIEW
                and not payment.captured
            )
            if not awaits and not ended:
                raise _waits_for_card() if _awaits_card(payment, standing) else not_open()
            owed = payment.amount - payment.wallet_amount
            if (amount, currency) != (owed, payment.currency):
                raise Failure(
                    Kind.REFUSED,
                    "AMOUNT_DIFFERS",
                    f"The customer has to pay {money.plain(owed)} {payment.currency}: record exactly that",
                    details={"amount": str(owed), "currency": payment.currency},
                )
            if awaits:
                changed = await self._taking.paid(
                    connection, payment, None, reference=reference, actor=actor
                )
                if changed is not None:
                    await self._buying.buy(connection, changed, event="paid", actor=actor)
            else:
                changed = await self._taking.taken_early(
                    connection, payment, reference=reference, actor=actor
                )
                await order_store.record(
                    connection, order_id, standing.status, "paid", actor=actor, note=reference
                )
            if changed is None:
                raise not_open()
            return changed

    async def _held(
        self, connection: Connection, order_id: UUID, actor: str
    ) -> tuple[Payment, Standing]:
        """Record that a person has looked at a held order, and return it locked."""
        payment, standing = await _locked(connection, order_id)
        reviewed = None
        if standing.unpaid:
            reviewed = await state_store.record_review(connection, payment.id, actor)
        if reviewed is None:
            raise Failure(
                Kind.REFUSED,
                "ORDER_NOT_HELD",
                "This order is not held, or no longer: list the held orders",
            )
        return reviewed, standing

    async def _fail(
        self,
        connection: Connection,
        standing: Standing,
        failure: FailureReason,
        message: str,
        *,
        event: str,
        actor: str,
        note: str = "",
    ) -> bool:
        failed = await order_store.fail(
            connection, standing.order_id, failure, message, event=event, actor=actor, note=note
        )
        if failed:
            age = self._database.now() - standing.created_at
            after_commit(lambda: self._orders.changed(OrderStatus.FAILED, age))
            after_commit(self._wake)
        return failed


async def _locked(connection: Connection, order_id: UUID) -> tuple[Payment, Standing]:
    """Return an order and its payment, both locked.

    Raises Failure NOT_FOUND (ORDER_NOT_FOUND), and REFUSED (ORDER_WITHOUT_PAYMENT).
    """
    standing = await order_store.lock(connection, order_id)
    payment = await store.of_order(connection, order_id)
    locked = None if payment is None else await state_store.lock(connection, payment.id)
    if locked is None:
        raise without_payment()
    return locked, standing


def _awaits_card(payment: Payment, standing: Standing) -> bool:
    awaits = payment.state is PaymentState.AWAITING and standing.unpaid
    return awaits and payment.method is PaymentMethod.CARD


def _waits_for_card() -> Failure:
    """Return the refusal to record another payment while the customer may still pay by card."""
    return Failure(
        Kind.REFUSED,
        "PAYMENT_NOT_OPEN",
        "This order waits for its payment by card, so no other payment can be recorded: let the customer pay"
        " by card, or cancel the order and place it again with the method MANUAL",
    )


def without_payment() -> Failure:
    """Return the refusal of an order that its customer doesn't pay here."""
    return Failure(
        Kind.REFUSED,
        "ORDER_WITHOUT_PAYMENT",
        "No payment belongs to this order: it is not paid here, or no order has this id; check the id",
    )
