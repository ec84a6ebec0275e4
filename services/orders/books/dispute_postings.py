"""Builds the postings of disputes. Pure, as `postings`."""

from decimal import Decimal

from services.orders.books.posting import DEPOSITS, DISPUTES, STRIPE, Posting, PostingKind, build
from services.orders.payment import Payment


def disputed(
    dispute_id: str,
    amount: Decimal,
    currency: str,
    payment: Payment,
    *,
    withdrawn: bool,
    given_by: str = "",
    number: int = 1,
) -> Posting | None:
    """Post that the payment provider took the amount of a dispute, or returned it (`withdrawn` is False).

    `number` counts the postings of this kind, because the amount of a dispute may change, or be taken again.
    With `given_by`, post what this account gives because of the dispute, or gets back: a wallet whose top-up
    is disputed, or the deposits, whose amount the cardholder of a failed order has got from the bank.
    """
    kind = PostingKind.DISPUTE if withdrawn else PostingKind.DISPUTE_RETURN
    debit, credit = DISPUTES, STRIPE
    if given_by:
        kind = PostingKind(f"{'DEPOSIT' if given_by == DEPOSITS else 'WALLET'}_{kind}")
        debit, credit = given_by, DISPUTES
    signed = amount if withdrawn else -amount
    entries, key = [(debit, signed), (credit, -signed)], key_of(kind, dispute_id, number)
    return build(kind, key, entries, currency, order_id=payment.order_id, payment_id=payment.id)


def key_of(kind: PostingKind, dispute_id: str, number: int = 1) -> str:
    """Return the key of what is posted once for a dispute."""
    key = f"{kind.lower()}:{dispute_id}"
    return key if number == 1 else f"{key}:{number}"
