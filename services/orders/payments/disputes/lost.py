"""Posts that the cardholder of a failed order has the deposit, because of a dispute that was lost."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection
from services.orders.books import store as books
from services.orders.books.dispute_postings import disputed, key_of
from services.orders.books.posting import DEPOSITS, Entry, PostingKind
from services.orders.payment import PaymentState
from services.orders.payments import store
from services.orders.payments.disputes import store as disputes
from services.orders.payments.refunds.shares import left

NOTHING = Decimal(0)
GIVEN, RETURNED = PostingKind.DEPOSIT_DISPUTE, PostingKind.DEPOSIT_DISPUTE_RETURN


async def settle_deposit(connection: Connection, payment_id: UUID, actor: str) -> None:
    """Post which part of a failed order's deposit disputes gave back; each once, so it can be repeated.

    Refunds under way come first. What is posted of a dispute is reversed if its amount returns after all. The
    caller has locked the order and the payment, and has recorded the disputes and refunds.
    """
    payment = await store.get(connection, payment_id)
    if payment is None or payment.order_id is None or payment.state is not PaymentState.RELEASED:
        return
    found = await disputes.of_payment(connection, payment.id)
    keys = {one.id: (key_of(GIVEN, one.id), key_of(RETURNED, one.id)) for one in found}
    posted = await books.posted(connection, [key for both in keys.values() for key in both])
    rest = left(payment)
    for given, returned in keys.values():
        if returned not in posted:
            rest -= _amount(posted, given)
    for one in found:
        given, returned = keys[one.id]
        amount = _amount(posted, given)
        if amount and (one.withdrawn or returned in posted):
            continue  # posted, and still lost; or returned before
        if amount:
            # What was paid back beyond the deposit meanwhile is not owed to the customer again.
            amount = max(amount + min(rest, NOTHING), NOTHING)
            rest += amount
        else:
            if not _is_final(one) or one.currency != payment.currency:
                continue
            amount = max(min(one.amount, rest), NOTHING)
            rest -= amount
        posting = disputed(
            one.id,
            amount,
            payment.currency,
            payment,
            withdrawn=one.withdrawn,
            given_by=DEPOSITS,
        )
        await books.post(connection, posting, actor=actor)


def _amount(posted: Mapping[str, tuple[str, list[Entry]]], key: str) -> Decimal:
    """Return what a posting takes from the deposits; 0 if it does not exist."""
    _, entries = posted.get(key, ("", []))
    return sum((entry.amount for entry in entries if entry.account == DEPOSITS), NOTHING)


def _is_final(dispute: disputes.Dispute) -> bool:
    """Return whether the shop has lost the amount of a dispute for good, as far as is known."""
    return dispute.withdrawn and dispute.closed_at is not None and dispute.status != "won"
