"""Posts that the cardholder of a failed order has the deposit, because of a dispute that was lost."""

from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection
from services.orders.books import store as books
from services.orders.books.dispute_postings import disputed, key_of
from services.orders.books.posting import DEPOSITS, PostingKind
from services.orders.payment import PaymentState
from services.orders.payments import store
from services.orders.payments.disputes import store as disputes
from services.orders.payments.refunds.shares import left

NOTHING = Decimal(0)


async def settle_deposit(connection: Connection, payment_id: UUID, actor: str) -> None:
    """Post which part of a failed order's deposit disputes gave back; each once, so it can be repeated.

    Refunds under way come first. What is posted of a dispute is reversed if its amount returns after all. The
    caller has locked the order and the payment, and has recorded the disputes and refunds.
    """
    payment = await store.get(connection, payment_id)
    if payment is None or payment.order_id is None or payment.state is not PaymentState.RELEASED:
        return
    found = await disputes.of_payment(connection, payment.id)
    given, returned = PostingKind.DEPOSIT_DISPUTE, PostingKind.DEPOSIT_DISPUTE_RETURN
    keys = [key_of(kind, one.id) for kind in (given, returned) for one in found]
    posted = await books.posted(connection, keys)
    before = {
        one.id: sum((e.amount for e in entries if e.account == DEPOSITS), NOTHING)
        for one in found
        for _, entries in [posted.get(key_of(given, one.id), ("", []))]
    }
    rest = left(payment) - sum(
        before[one.id] for one in found if key_of(returned, one.id) not in posted
    )
    for one in found:
        amount, is_new = before[one.id], False
        if not amount and _is_final(one) and one.currency == payment.currency:
            amount, is_new = max(min(one.amount, rest), NOTHING), True
            rest -= amount
        elif one.withdrawn:
            continue
        posting = disputed(
            one.id, amount, payment.currency, payment, withdrawn=is_new, given_by=DEPOSITS
        )
        await books.post(connection, posting, actor=actor)


def _is_final(dispute: disputes.Dispute) -> bool:
    """Return whether the shop has lost the amount of a dispute for good, as far as is known."""
    return dispute.withdrawn and dispute.closed_at is not None and dispute.status != "won"
