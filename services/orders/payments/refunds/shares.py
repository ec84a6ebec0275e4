"""Where the money of a refund goes. Pure arithmetic."""

from decimal import Decimal

from kit.errors import Failure, Kind
from kit.values import money
from services.orders.books.postings import paid_manually
from services.orders.customer_store import ERASED_CUSTOMER
from services.orders.payment import Payment, PaymentMethod, RefundDestination, payable_unit

NOTHING = Decimal(0)
Shares = dict[RefundDestination, Decimal]


def left(payment: Payment, withdrawn: Decimal = NOTHING) -> Decimal:
    """Return what was taken and is not refunded; refunds under way count as refunded.

    `withdrawn` is what disputes have taken back: the cardholder has it, or may get it.
    """
    return max(payment.captured - payment.refunded - withdrawn, NOTHING)


def left_on_card(payment: Payment, withdrawn: Decimal = NOTHING) -> Decimal:
    """Return what can go back to the card; 0 for what the finance staff recorded."""
    if payment.method is not PaymentMethod.CARD or paid_manually(payment) or not payment.captured:
        return Decimal(0)
    on_card = payment.amount - payment.wallet_amount - payment.refunded_to_card
    return max(on_card - withdrawn, NOTHING)


def to_card(payment: Payment, amount: Decimal, withdrawn: Decimal = NOTHING) -> Decimal:
    """Return how much of an amount can go back to the card, in the digits that a card can get."""
    possible = min(amount, left_on_card(payment, withdrawn))
    return possible - possible % payable_unit(payment.currency)


def shares(
    payment: Payment,
    amount: Decimal,
    to: RefundDestination | None = None,
    *,
    withdrawn: Decimal = NOTHING,
    exact: bool = False,
) -> Shares:
    """Return how an amount is refunded: without a destination to where it came from, first to the card.

    A third decimal place, which a card can't get, goes to the wallet; with `exact` the refund is refused.
    What came neither from a card nor from the wallet goes to the wallet: only a person could pay it back, and
    the customer must not depend on that. Raises Failure REFUSED: NOTHING_CAPTURED, REFUND_ABOVE_CAPTURED,
    PAYMENT_DISPUTED, REFUND_TO_CARD_IMPOSSIBLE, REFUND_TO_WALLET_IMPOSSIBLE, REFUND_ON_ACCOUNT_ONLY,
    REFUND_ON_ACCOUNT_IMPOSSIBLE.
    """
    if not payment.captured:
        raise Failure(
            Kind.REFUSED,
            "NOTHING_CAPTURED",
            "Nothing was taken for this order, so nothing can go back",
        )
    if withdrawn and left(payment) and not 0 < amount <= left(payment, withdrawn):
        raise _disputed(payment, withdrawn)
    if not 0 < amount <= left(payment):
        raise _too_much(payment)
    if payment.method is PaymentMethod.INVOICE or to is RefundDestination.INVOICE:
        return _on_account(payment, amount, to)
    on_card, wanted = to_card(payment, amount, withdrawn), NOTHING
    if to is RefundDestination.CARD:
        wanted = amount
    elif to is None and exact:
        wanted = min(amount, left_on_card(payment, withdrawn))
    if on_card < wanted:
        raise Failure(
            Kind.REFUSED,
            "REFUND_TO_CARD_IMPOSSIBLE",
            f"Only {money.plain(on_card):f} {payment.currency} can go back to a card; refund the rest to"
            " the wallet, or pay it back in another way and record that (MANUAL)",
            details={"left_on_card": f"{on_card:f}"},
        )
    if to is None:
        found = {RefundDestination.CARD: on_card, RefundDestination.WALLET: amount - on_card}
    else:
        found = {to: amount}
    found = {destination: share for destination, share in found.items() if share}
    if RefundDestination.WALLET in found and payment.wallet_owner == ERASED_CUSTOMER:
        raise Failure(
            Kind.REFUSED,
            "REFUND_TO_WALLET_IMPOSSIBLE",
            "The customer of this order was erased and has no wallet; refund to the card, or pay it back in"
            " another way and record that (MANUAL)",
        )
    return found


def _on_account(payment: Payment, amount: Decimal, to: RefundDestination | None) -> Shares:
    """Return the refund of an order on account: its organization owes that much less."""
    if payment.method is not PaymentMethod.INVOICE:
        raise Failure(
            Kind.REFUSED,
            "REFUND_ON_ACCOUNT_IMPOSSIBLE",
            f"This order was paid by {payment.method}, not on account; leave out the destination, so that"
            " the refund goes back to where the money came from",
        )
    if to not in (None, RefundDestination.INVOICE):
        raise Failure(
            Kind.REFUSED,
            "REFUND_ON_ACCOUNT_ONLY",
            "This order was bought on account, so its refund reduces what the organization owes; leave out"
            " the destination",
        )
    return {RefundDestination.INVOICE: amount}


def _disputed(payment: Payment, withdrawn: Decimal) -> Failure:
    rest = left(payment, withdrawn)
    return Failure(
        Kind.REFUSED,
        "PAYMENT_DISPUTED",
        f"A dispute has withdrawn {money.plain(withdrawn):f} {payment.currency} of this payment, so at most"
        f" {money.plain(rest):f} {payment.currency} can go back; wait until it is decided",
        details={"left": f"{money.plain(rest):f}", "currency": payment.currency},
    )


def _too_much(payment: Payment) -> Failure:
    rest = left(payment)
    return Failure(
        Kind.REFUSED,
        "REFUND_ABOVE_CAPTURED",
        f"Only {money.plain(rest):f} {payment.currency} are left of what was taken; refund at most that",
        details={"left": f"{money.plain(rest):f}", "currency": payment.currency},
    )
