"""Builds the postings of each act. Pure: nothing here reads or writes the database.

Positive amounts are debits.
"""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from kit.values import currencies
from services.orders.books.posting import (
    COST,
    DEPOSITS,
    DISPUTES,
    ELSEWHERE,
    FEES,
    FX,
    LOSSES,
    MANUAL,
    NONE,
    PROVIDER,
    REFUNDS,
    REVENUE,
    STRIPE,
    Entry,
    Posting,
    PostingKind,
    build,
    checked,
    receivable_account,
    wallet_account,
)
from services.orders.order import Order
from services.orders.payment import Payment, Refund, RefundDestination


def tax_account(order: Order) -> str:
    """Return the account of an order's tax, by the country whose tax rate it was sold with."""
    return f"tax:{order.tax_country or 'unknown'}"


def paid_manually(payment: Payment) -> bool:
    """Return whether the finance staff recorded the payment, instead of the payment provider."""
    return payment.method == "MANUAL" or bool(payment.reference)


def taken(payment: Payment, wallet_id: UUID | None) -> Posting | None:
    """Post that the whole amount of a payment was taken; None if it was free.

    `wallet_id` is the wallet that paid `wallet_amount`, None if none did.
    """
    if payment.wallet_amount and wallet_id is None:
        raise ValueError("a wallet paid, but it is not named")
    return build(
        PostingKind.TAKE,
        f"take:{payment.id}",
        [
            *([(wallet_account(wallet_id), payment.wallet_amount)] if wallet_id else []),
            (_taken_from(payment), payment.amount - payment.wallet_amount),
            (DEPOSITS, -payment.amount),
        ],
        payment.currency,
        order_id=payment.order_id,
        payment_id=payment.id,
    )


def _taken_from(payment: Payment) -> str:
    """Return the account that has what the wallet did not pay."""
    if payment.method == "INVOICE":
        return receivable_account(payment.organization_id)
    return MANUAL if paid_manually(payment) else STRIPE


def topped_up(payment: Payment, wallet_id: UUID) -> Posting | None:
    """Post a paid top-up of a wallet."""
    return build(
        PostingKind.TOP_UP,
        f"top_up:{payment.id}",
        [(STRIPE, payment.amount), (wallet_account(wallet_id), -payment.amount)],
        payment.currency,
        payment_id=payment.id,
    )


def corrected(
    wallet_id: UUID, amount: Decimal, currency: str, key: str, note: str, *, received: bool = False
) -> Posting:
    """Post a correction of a wallet by `amount`, which may be negative.

    `received` if the shop has got the money in another way, or paid it back; otherwise it is the shop's loss.
    """
    posting = build(
        PostingKind.CORRECTION,
        f"correction:{wallet_id}:{key}",
        [(MANUAL if received else LOSSES, amount), (wallet_account(wallet_id), -amount)],
        currency,
        note=note,
    )
    if posting is None:
        raise ValueError("a correction of nothing")
    return posting


def sold(order: Order, *, paid_here: bool, payment_id: UUID | None = None) -> Posting | None:
    """Post the sale of a delivered order; None if it was free.

    An order that is not paid here (`paid_here` is False) is owed by the service that charges the customer.
    """
    total = currencies.rounded(order.total_price, order.currency)
    tax = currencies.rounded(order.tax_amount, order.currency)
    return build(
        PostingKind.SALE,
        f"sale:{order.id}",
        [
            (DEPOSITS if paid_here else ELSEWHERE, total),
            (REVENUE, tax - total),
            (tax_account(order), -tax),
        ],
        order.currency,
        order_id=order.id,
        payment_id=payment_id,
    )


def cost(order: Order) -> Posting | None:
    """Post what the provider charged for a delivered order; None if that was nothing.

    Needs the order with its cost. Until the provider has reported a charge, the expected cost counts.
    """
    amount, currency = charged(order)
    amount = currencies.rounded(amount, currency)
    return build(
        PostingKind.COST,
        f"cost:{order.id}",
        [(COST, amount), (PROVIDER, -amount)],
        currency,
        order_id=order.id,
    )


def charged(order: Order) -> tuple[Decimal, str]:
    """Return what the provider charged for an order, exactly, and the currency."""
    found = order.expected_cost
    if found.charged is None:
        return found.expected, found.currency
    return found.charged, found.charged_currency or found.currency


def cost_returned(order: Order, returned: int, before: Decimal) -> Posting | None:
    """Post that the provider has paid back `returned` bundles of an order by now, in all.

    `before` is the sum of earlier postings. The total is rounded, not each posting, so that the returns of
    all bundles add up to exactly the cost.
    """
    exact, currency = charged(order)
    amount = currencies.rounded(exact * returned / order.quantity, currency) - before
    return build(
        PostingKind.COST_RETURN,
        f"cost_return:{order.id}:{returned}",
        [(PROVIDER, amount), (COST, -amount)],
        currency,
        order_id=order.id,
    )


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What was given back of a sale, and the tax in it, without failed refunds; what tax is left at most.

    `deposit` is what is left of the deposit of an order that was not sold.
    """

    amount: Decimal = NONE
    tax: Decimal = NONE
    tax_left: Decimal | None = None
    deposit: Decimal | None = None


def sale_returned(order: Order, returned: int, before: GivenBack) -> Posting | None:
    """Post that, in total, `returned` bundles of an order that is not paid here are no longer owed."""
    share = Decimal(returned) / order.quantity
    amount = currencies.rounded(order.total_price * share, order.currency) - before.amount
    tax = currencies.rounded(order.tax_amount * share, order.currency) - before.tax
    return build(
        PostingKind.SALE_RETURN,
        f"sale_return:{order.id}:{returned}",
        [(REFUNDS, amount - tax), (tax_account(order), tax), (ELSEWHERE, -amount)],
        order.currency,
        order_id=order.id,
    )


def refunded(
    refund: Refund, order: Order, wallet_id: UUID | None, *, sold: bool, before: GivenBack
) -> Posting:
    """Post a refund that reached the customer.

    `sold` is True if the sale was posted. Otherwise the refund comes from the customer's deposit, and what
    exceeds it is a loss by a dispute, which gave the deposit back. A refund of a sale also takes its share of
    the tax back. The total of these shares is rounded, not each share.
    """
    source = _refunded_from(refund, order, wallet_id)
    tax = beyond = NONE
    if not sold and before.deposit is not None:
        beyond = max(refund.amount - max(before.deposit, NONE), NONE)
    if sold and order.tax_amount:
        share = (before.amount + refund.amount) / order.total_price
        tax = currencies.rounded(order.tax_amount * share, refund.currency) - before.tax
        tax = tax if before.tax_left is None else min(tax, before.tax_left)
    posting = build(
        PostingKind.REFUND,
        f"refund:{refund.id}",
        [
            (REFUNDS if sold else DEPOSITS, refund.amount - tax - beyond),
            (DISPUTES, beyond),
            (tax_account(order), tax),
            (source, -refund.amount),
        ],
        refund.currency,
        order_id=refund.order_id,
        payment_id=refund.payment_id,
    )
    if posting is None:
        raise ValueError("a refund of nothing")
    return posting


def _refunded_from(refund: Refund, order: Order, wallet_id: UUID | None) -> str:
    """Return the account that a refund is taken from."""
    match refund.destination:
        case RefundDestination.CARD:
            return STRIPE
        case RefundDestination.MANUAL:
            return MANUAL
        case RefundDestination.INVOICE:
            return receivable_account(order.organization_id)
        case RefundDestination.WALLET:
            if wallet_id is None:
                raise ValueError("a refund to a wallet needs that wallet")
            return wallet_account(wallet_id)


def refund_failed(refund: Refund, posted: list[Entry]) -> Posting:
    """Post the reverse of a refund that failed after it had succeeded; `posted` are its entries."""
    return Posting(
        PostingKind.REFUND_FAILURE,
        f"refund_failure:{refund.id}",
        tuple(Entry(e.account, -e.amount, e.currency) for e in posted),
        refund.order_id,
        refund.payment_id,
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """A movement of the payment provider's balance: `amount` and `fee` in the settlement currency.

    `original` is the amount that was posted for its act, in `original_currency`, with the sign of `amount`.
    """

    id: str
    amount: Decimal
    fee: Decimal
    currency: str
    original: Decimal
    original_currency: str
    order_id: UUID | None = None
    payment_id: UUID | None = None


def settled(moved: Moved) -> Posting | None:
    """Post the fee of a movement, and its exchange into the settlement currency if that is another one."""
    fee, amount = moved.fee, moved.amount
    lines = [Entry(FEES, fee, moved.currency), Entry(STRIPE, -fee, moved.currency)]
    if moved.currency != moved.original_currency:
        lines += [
            Entry(FX, moved.original, moved.original_currency),
            Entry(STRIPE, -moved.original, moved.original_currency),
            Entry(STRIPE, amount, moved.currency),
            Entry(FX, -amount, moved.currency),
        ]
    return checked(
        PostingKind.FEE, f"fee:{moved.id}", lines, moved.order_id, moved.payment_id, moved.id
    )
