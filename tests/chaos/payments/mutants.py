"""Built-in faults of the orders service; the audit of a run must detect each.

Only for the harness: the service itself has no such options.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

from kit.db.database import Connection
from services.orders.books import postings
from services.orders.books import store as books
from services.orders.order import Order, OrderStatus
from services.orders.payment import Payment, PaymentState, Refund, RefundDestination
from services.orders.payments import capture, observe, release, state_store, store
from services.orders.payments.capture import Captures
from services.orders.payments.refunds import refund_store
from services.orders.payments.refunds.refund import Refunding
from services.orders.payments.start import Starts
from services.orders.payments.stripe.api import API
from services.orders.payments.wallets import top_up, wallet_store
from services.orders.purchase.deliver import Delivery
from services.orders.work import Pause, Work

ACTOR = "mutant"


def random_keys() -> None:
    """Use a new idempotency key for each try of a request."""
    write = API.write

    async def with_a_new_key(self: API, *arguments: Any, kind: str, key: str) -> Any:
        return await write(self, *arguments, kind=kind, key=f"{key}:{uuid4()}")

    setattr(API, "write", with_a_new_key)  # noqa: B010 - mypy forbids assigning a method


def no_amount_check() -> None:
    """Accept any paid amount as the price of the order."""

    def matches(payment: Payment, intent: object) -> str:
        return ""

    for module in (observe, capture, release, top_up):
        setattr(module, "mismatch", matches)  # noqa: B010 - each module has its own name for the function


def early_capture() -> None:
    """Capture as soon as the provider has accepted an order, before its eSIMs are registered."""
    captures: list[Captures] = []
    made, deliver, complete = Captures.__init__, Delivery.deliver, Captures.complete

    def remember(self: Captures, *arguments: Any) -> None:
        made(self, *arguments)
        captures.append(self)

    async def capture_then_deliver(self: Delivery, work: Work) -> Pause | None:
        payment = await _payment(work)
        if payment is not None and payment.state is PaymentState.AUTHORIZED and payment.card_amount:
            intent = await captures[-1]._capture(payment)
            async with work.database.system() as connection:
                await state_store.change(
                    connection, payment, PaymentState.CAPTURED, charge_id=intent.charge_id
                )
        return await deliver(self, work)

    async def complete_captured(self: Captures, work: Work, message: str) -> Pause | None:
        payment = await _payment(work)
        if payment is None or payment.state is not PaymentState.CAPTURED:
            return await complete(self, work, message)
        async with work.database.system() as connection:
            hold = await wallet_store.debit(connection, payment.id, ACTOR)
            await books.post(
                connection,
                postings.taken(payment, hold.wallet_id if hold else None),
                postings.sold(work.order, paid_here=True, payment_id=payment.id),
                postings.cost(work.order),
                actor=ACTOR,
            )
            await work.step("completed", connection, status=OrderStatus.COMPLETED, reason=message)
        return None

    setattr(Captures, "__init__", remember)  # noqa: B010 - mypy forbids assigning a method
    setattr(Captures, "complete", complete_captured)  # noqa: B010 - the same
    setattr(Delivery, "deliver", capture_then_deliver)  # noqa: B010 - the same


async def _payment(work: Work) -> Payment | None:
    async with work.database.system() as connection:
        return await store.of_order(connection, work.order.id)


RECORD_AS = """
insert into orders.refunds (
    id, payment_id, order_id, customer_id, idempotency_key, amount, currency, destination, reason, note,
    requested_by
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (payment_id, idempotency_key, destination) do nothing
"""


def unrecorded_refunds() -> None:
    """Make refunds to cards first, and record them afterwards."""
    started: list[Starts] = []
    made, record = Starts.__init__, Refunding.record

    def remember(self: Starts, *arguments: Any) -> None:
        made(self, *arguments)
        started.append(self)

    async def make_then_record(
        self: Refunding,
        connection: Connection,
        payment: Payment,
        order: Order,
        shares: Mapping[RefundDestination, Decimal],
        reason: Any,
        **options: Any,
    ) -> list[Refund]:
        rest = dict(shares)
        on_card = rest.pop(RefundDestination.CARD, None)
        found = await record(self, connection, payment, order, rest, reason, **options)
        if on_card is None:
            return found
        refund_id = uuid4()
        answer = await started[-1].port.refund(
            payment.intent_id or "", refund_id, on_card, payment.currency, fraudulent=False
        )
        await connection.execute(
            RECORD_AS,
            refund_id,
            payment.id,
            payment.order_id,
            payment.customer_id,
            options["key"],
            on_card,
            payment.currency,
            RefundDestination.CARD,
            reason,
            options.get("note", ""),
            options["actor"],
        )
        await connection.execute(
            "update orders.refunds set state = 'STARTED', next_run_at = null where id = $1",
            refund_id,
        )
        [row] = [
            one
            for one in await refund_store.by_key(connection, payment.id, options["key"])
            if one.id == refund_id
        ]
        done = await self.succeeded(connection, row, order, provider_id=answer.id, actor=ACTOR)
        return [*found, done or row]

    setattr(Starts, "__init__", remember)  # noqa: B010 - mypy forbids assigning a method
    setattr(Refunding, "record", make_then_record)  # noqa: B010 - the same


MUTANTS: Mapping[str, Callable[[], None]] = {
    "random_keys": random_keys,
    "no_amount_check": no_amount_check,
    "early_capture": early_capture,
    "unrecorded_refunds": unrecorded_refunds,
}
# Triggers that would stop a mutant, as TABLE.TRIGGER: without them, its fault reaches the records.
DROPPED = {"early_capture": "payments.check_payment_change"}
