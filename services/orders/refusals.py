"""Why something isn't sold: what the provider's words mean, and limits of price."""

import re
from decimal import Decimal

from kit import money
from kit.errors import Failure, Kind
from services.orders.order import FailureReason

# The provider documents no texts and one envelope without a code; what none of these finds is
# NOT_SOLD_NOW. The status for a low balance isn't documented either: 402 is what HTTP has for it.
PAYMENT_REQUIRED = "402"
WORDS_OF = {
    FailureReason.INSUFFICIENT_BALANCE: re.compile(r"\b(balance|funds?|credit)\b"),
    FailureReason.ESIM_INCOMPATIBLE: re.compile(r"fit|compatib|profile|deactivated|reassign"),
    FailureReason.PLAN_UNAVAILABLE: re.compile(r"catalogue|not found|unknown|no longer|withdrawn"),
}


def reason_of(failure: Failure, *, for_esim: bool) -> FailureReason:
    """What a refusal of POST /orders amounts to; `for_esim`: the order named an eSIM."""
    if failure.details.get("provider_status") == PAYMENT_REQUIRED:
        return FailureReason.INSUFFICIENT_BALANCE
    words = failure.details.get("provider_message", "").lower()
    for reason, pattern in WORDS_OF.items():
        if reason is FailureReason.ESIM_INCOMPATIBLE and not for_esim:
            continue
        if pattern.search(words):
            return reason
    return FailureReason.NOT_SOLD_NOW


def within(
    max_price: Decimal | None, max_total: Decimal | None, price: Decimal, total: Decimal
) -> bool:
    """Whether a price for one and for all keeps the limits that a buyer gave."""
    return (max_price is None or price <= max_price) and (max_total is None or total <= max_total)


def price_changed(price: Decimal, total: Decimal, currency: str) -> Failure:
    """Above the buyer's limit; nothing was recorded."""
    price, total = money.plain(price), money.plain(total)
    return Failure(
        Kind.REFUSED,
        "PRICE_CHANGED",
        f"It costs {price} {currency} each and {total} {currency} in all now, above your limit;"
        " nothing was bought. Ask again with a higher limit if that suits you",
        details={"price": str(price), "total": str(total), "currency": currency},
    )
