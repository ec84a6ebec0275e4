"""Refusals of orders: checks the buyer's price limit, and maps the provider's texts to reasons."""

import re
from decimal import Decimal

from kit.errors import Failure, Kind, invalid
from kit.values import money
from services.orders.failures import BalanceTooLowError
from services.orders.order import OrderRequest
from services.orders.purchase.quotes import Quote
from services.orders.status_reasons import REFUSED_MESSAGES, FailureReason

# The provider's errors have no code, and their texts are not documented. A text without any of these patterns
# means NOT_SOLD_NOW. The status for a low balance isn't documented either: 402 is HTTP's status for it.
PAYMENT_REQUIRED = "402"
PATTERNS = {
    FailureReason.INSUFFICIENT_BALANCE: re.compile(r"\b(balance|funds?|credit)\b"),
    FailureReason.ESIM_INCOMPATIBLE: re.compile(r"fit|compatib|profile|deactivated|reassign"),
    FailureReason.PLAN_UNAVAILABLE: re.compile(r"catalogue|not found|unknown|no longer|withdrawn"),
}


def reason_of(failure: Failure, *, for_esim: bool) -> FailureReason:
    """Return the reason of a refusal of POST /orders; `for_esim` if the order named an eSIM."""
    if failure.details.get("provider_status") == PAYMENT_REQUIRED:
        return FailureReason.INSUFFICIENT_BALANCE
    text = failure.details.get("provider_message", "").lower()
    for reason, pattern in PATTERNS.items():
        if reason is FailureReason.ESIM_INCOMPATIBLE and not for_esim:
            continue
        if pattern.search(text):
            return reason
    return FailureReason.NOT_SOLD_NOW


def within(
    max_price: Decimal | None,
    max_total: Decimal | None,
    quantity: int,
    subtotal: Decimal,
    total: Decimal,
) -> bool:
    """Return whether that quantity is within the buyer's limits.

    `subtotal` is its price before discount and added tax, `total` what the buyer pays.
    """
    # The limit is multiplied instead of dividing the subtotal, to stay exact.
    return (max_price is None or subtotal <= max_price * quantity) and (
        max_total is None or total <= max_total
    )


def check_limits(request: OrderRequest, quote: Quote) -> None:
    """Raise Failure REFUSED (PRICE_CHANGED) if the quote is above the buyer's limit.

    Raises Failure INVALID if the limit is in another currency; and INVALID (CURRENCY_REQUIRED) if no currency
    is named although there are price lists: the default one may have changed since the buyer saw the price.
    """
    if (
        request.limited
        and quote.max_unit_cost is not None
        and not (request.currency or request.limit_currency)
    ):
        raise invalid(
            {
                "currency": "is required with a limit: name the currency in which the price was shown"
            },
            reason="CURRENCY_REQUIRED",
        )
    if request.limited and request.limit_currency not in ("", quote.currency):
        names = [n for n in ("max_price", "max_total") if getattr(request, n) is not None]
        raise invalid(dict.fromkeys(names, f"must be in {quote.currency}, as the order is"))
    subtotal, total = quote.totals.subtotal, quote.total
    if not within(request.max_price, request.max_total, request.quantity, subtotal, total):
        raise price_changed(quote, limited=True)


def price_changed(quote: Quote, *, limited: bool) -> Failure:
    """Return the refusal of a price above the buyer's limit or, without one, above the catalogue's."""
    price, total, currency = money.plain(quote.each), money.plain(quote.total), quote.currency
    why = "above your limit" if limited else "more than the catalogue shows"
    what = "a higher limit" if limited else "maxPrice or maxTotal"
    return Failure(
        Kind.REFUSED,
        FailureReason.PRICE_CHANGED,
        f"The current price is {price} {currency} each and {total} {currency} in all, {why};"
        f" nothing was bought. To buy at this price, send the request again with {what}",
        details={"price": str(price), "total": str(total), "currency": currency},
    )


def not_sold_at_that_price() -> Failure:
    """Return the refusal of a plan whose cost rose too much; it reveals nothing about costs."""
    return Failure(
        Kind.REFUSED,
        FailureReason.PRICE_CHANGED,
        "This plan can't be sold at that price any more, so nothing was bought. Load the plan again in a"
        " few minutes for its current price, or choose another",
    )


def price_not_confirmed(retry_after: float | None = None) -> Failure:
    """Return the failure if the provider does not answer, or has no price in the plan's currency."""
    return Failure(
        Kind.UNAVAILABLE,
        "PRICE_NOT_CONFIRMED",
        "The price could not be confirmed, so nothing was bought; try again soon",
        retry_after=retry_after,
    )


def not_sold(reason: FailureReason) -> Failure:
    """Return the refusal of an order that the provider would refuse, hiding a low balance from customers."""
    if reason is FailureReason.INSUFFICIENT_BALANCE:
        return BalanceTooLowError(
            Kind.REFUSED, FailureReason.NOT_SOLD_NOW, REFUSED_MESSAGES[reason]
        )
    return Failure(Kind.REFUSED, reason, REFUSED_MESSAGES[reason])
