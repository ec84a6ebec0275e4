"""Refunds that the finance staff makes: whole or in parts, repeated, and never more than was taken."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.values import money
from services.orders.order import Order, OrderStatus
from services.orders.payment import Payment, Refund, RefundDestination, RefundReason
from services.orders.payments import store
from services.orders.payments.decide import without_payment
from services.orders.payments.disputes import store as disputes
from services.orders.payments.policy import Limit
from services.orders.payments.refunds import billed, refund_store
from services.orders.payments.refunds.refund import Refunding, locked
from services.orders.payments.refunds.refund_run import RefundRuns
from services.orders.payments.refunds.shares import NOTHING, left, shares

# Seconds that a call waits for the payment provider; the loop goes on without it.
WAIT = 8.0


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What the staff requests; `amount` None is everything that is left, `to` None where it came from."""

    order_id: UUID
    amount: Decimal | None
    currency: str
    to: RefundDestination | None
    note: str
    key: str


class OrderRefunds:
    """Records refunds of orders, then makes them."""

    def __init__(self, database: Database, refunding: Refunding, runs: RefundRuns) -> None:
        self._database = database
        self._refunding = refunding
        self._runs = runs

    async def refund(self, wanted: RefundRequest, actor: str) -> tuple[Payment, list[UUID]]:
        """Refund an order; return its payment afterwards, and the refunds of this request.

        A repeat returns what the first request made. Raises Failure REFUSED as the RPC says, and CONFLICT
        (IDEMPOTENCY_CONFLICT) for another request under the same key.
        """
        async with self._database.system() as connection:
            payment = await store.of_order(connection, wanted.order_id)
            if payment is None:
                raise without_payment()
            order, payment = await locked(connection, wanted.order_id, payment.id)
            made = await refund_store.by_key(connection, payment.id, wanted.key)
            if made:
                _check_same(wanted, made)
            else:
                made = await self._record(connection, order, payment, wanted, actor)
        await self._make([r for r in made if r.destination is RefundDestination.CARD])
        async with self._database.system() as connection:
            now = await store.get(connection, payment.id)
        return now or payment, [refund.id for refund in made]

    async def _record(
        self,
        connection: Connection,
        order: Order,
        payment: Payment,
        wanted: RefundRequest,
        actor: str,
    ) -> list[Refund]:
        if order.status in (OrderStatus.PROCESSING, OrderStatus.NEEDS_REVIEW) and payment.captured:
            raise Failure(
                Kind.REFUSED,
                "ORDER_NOT_FINISHED",
                "This order is still being processed, and its payment goes back automatically if it fails;"
                " wait until it ends, or settle it (`esimgo orders resolve`)",
            )
        if wanted.amount is not None and wanted.currency != payment.currency:
            raise Failure(
                Kind.INVALID,
                "INVALID_ARGUMENT",
                f"amount: must be in {payment.currency}, as the payment",
                fields={"amount": f"must be in {payment.currency}, as the payment"},
            )
        # MANUAL records what a person has paid, whatever a dispute has withdrawn.
        withdrawn = NOTHING
        if wanted.to is not RefundDestination.MANUAL:
            withdrawn = await disputes.withdrawn(connection, payment.id)
        statement = await billed.locked(connection, payment, order.id)
        limit = None if statement is None else statement.limit(order.id)
        amount = wanted.amount
        if amount is None:
            amount = left(payment, withdrawn)
            if limit is not None and limit.amount:
                amount = min(amount, limit.amount)
        found = shares(
            payment, amount, wanted.to, withdrawn=withdrawn, exact=wanted.amount is not None
        )
        if limit is not None and amount > limit.amount:
            raise _credited(limit, payment.currency)
        if RefundDestination.CARD in found and await disputes.holds_charge(connection, payment.id):
            raise Failure(
                Kind.REFUSED,
                "PAYMENT_DISPUTED",
                "A dispute of this payment is open, and nothing can go back to the card until it is decided;"
                " wait, or refund what is not disputed to the wallet",
            )
        return await self._refunding.record(
            connection,
            payment,
            order,
            found,
            RefundReason.STAFF,
            key=wanted.key,
            actor=actor,
            note=wanted.note,
        )

    async def _make(self, refunds: list[Refund]) -> None:
        """Make refunds now, so that the answer says how they ended; the loop makes them otherwise."""
        runs = [asyncio.create_task(self._runs.run(refund.id)) for refund in refunds]
        if runs:
            await asyncio.wait(runs, timeout=WAIT)


def _credited(limit: Limit, currency: str) -> Failure:
    what = "refund at most that" if limit.amount else "the credit covers what was bought"
    return Failure(
        Kind.REFUSED,
        "STATEMENT_CREDITED",
        f"{limit.message}; {what}",
        details={"left": f"{money.plain(limit.amount):f}", "currency": currency},
    )


def _check_same(wanted: RefundRequest, made: list[Refund]) -> None:
    """Raise Failure CONFLICT unless the request is the one that made these refunds."""
    same = wanted.note == made[0].note
    if wanted.amount is not None:
        total = (refund_store.amounts(made), made[0].currency)
        same = same and total == (wanted.amount, wanted.currency)
    if wanted.to is not None:
        same = same and {refund.destination for refund in made} == {wanted.to}
    if not same:
        shown = f"{money.plain(refund_store.amounts(made)):f} {made[0].currency}"
        raise Failure(
            Kind.CONFLICT,
            "IDEMPOTENCY_CONFLICT",
            f"This key was used for another refund of this order ({shown}); use a new key",
        )
