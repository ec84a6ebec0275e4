"""Stripe's test cards and what each of them does."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Decline:
    """The reason for which a card is declined."""

    code: str
    decline_code: str | None = None
    message: str = "Your card was declined."
    advice_code: str | None = "try_again_later"


@dataclass(frozen=True, slots=True)
class Card:
    """One test card; `method` is the id of the PaymentMethod that stands for it.

    `authentication` says when 3-D Secure is required: "required" at the first payment, "always" also
    when the card was saved, "lookup_error" makes the lookup fail. A `decline` applies after it.
    """

    number: str
    method: str
    brand: str = "visa"
    funding: str = "credit"
    decline: Decline | None = None
    decline_needs_cvc: bool = False
    authentication: Literal["none", "required", "always", "lookup_error"] = "none"
    risk: Literal["normal", "elevated", "highest", "blocked"] = "normal"
    dispute_reason: str | None = None
    disputes: int = 1
    inquiry: bool = False
    warning: bool = False
    refund: Literal["succeeds", "pending", "fails"] = "succeeds"
    bypass_pending: bool = False


_GENERIC = Decline("card_declined", "generic_decline")
_FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
_LOST = Decline("card_declined", "lost_card", advice_code="do_not_try_again")
_STOLEN = Decline("card_declined", "stolen_card", advice_code="do_not_try_again")
_VELOCITY = Decline(
    "card_declined",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
)
_EXPIRED = Decline("expired_card", None, "Your card has expired.", "confirm_card_data")
_CVC = Decline(
    "incorrect_cvc", None, "Your card's security code is incorrect.", "confirm_card_data"
)
_PROCESSING = Decline(
    "processing_error",
    None,
    "An error occurred while processing your card. Try again in a little bit.",
)
BLOCKED = Decline("card_declined", "fraudulent", advice_code="do_not_try_again")
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    None,
)
NOT_A_TEST_CARD = Decline(
    "card_declined",
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card.",
    None,
)

CARDS = (
    Card("4242424242424242", "pm_card_visa"),
    Card("4000056655665556", "pm_card_visa_debit", funding="debit"),
    Card("5555555555554444", "pm_card_mastercard", brand="mastercard"),
    Card("378282246310005", "pm_card_amex", brand="amex"),
    Card("6011111111111117", "pm_card_discover", brand="discover"),
    Card("4000000000000002", "pm_card_visa_chargeDeclined", decline=_GENERIC),
    Card("4000000000009995", "pm_card_visa_chargeDeclinedInsufficientFunds", decline=_FUNDS),
    Card("4000000000009987", "pm_card_visa_chargeDeclinedLostCard", decline=_LOST),
    Card("4000000000009979", "pm_card_visa_chargeDeclinedStolenCard", decline=_STOLEN),
    Card("4000000000000069", "pm_card_chargeDeclinedExpiredCard", decline=_EXPIRED),
    Card(
        "4000000000000127",
        "pm_card_chargeDeclinedIncorrectCvc",
        decline=_CVC,
        decline_needs_cvc=True,
    ),
    Card("4000000000000119", "pm_card_chargeDeclinedProcessingError", decline=_PROCESSING),
    Card("4000000000006975", "pm_card_visa_chargeDeclinedVelocityLimitExceeded", decline=_VELOCITY),
    Card("4000000000000341", "pm_card_chargeCustomerFail", decline=_GENERIC),
    Card("4000000000003220", "pm_card_threeDSecure2Required", authentication="required"),
    Card("4000002760003184", "pm_card_authenticationRequired", authentication="always"),
    Card(
        "4000008400001629",
        "pm_card_threeDSecureRequiredChargeDeclined",
        authentication="required",
        decline=_GENERIC,
    ),
    Card(
        "4000008400001280",
        "pm_card_threeDSecureRequiredProcessingError",
        authentication="lookup_error",
        decline=_GENERIC,
    ),
    Card(
        "4000008260003178",
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        authentication="always",
        decline=_FUNDS,
    ),
    Card("4100000000000019", "pm_card_radarBlock", risk="blocked", decline=BLOCKED),
    Card("4000000000004954", "pm_card_riskLevelHighest", risk="highest"),
    Card("4000000000009235", "pm_card_riskLevelElevated", risk="elevated"),
    Card("4000000000000259", "pm_card_createDispute", dispute_reason="fraudulent"),
    Card(
        "4000000000002685",
        "pm_card_createDisputeProductNotReceived",
        dispute_reason="product_not_received",
    ),
    Card(
        "4000000000001976",
        "pm_card_createDisputeInquiry",
        dispute_reason="fraudulent",
        inquiry=True,
    ),
    Card(
        "4000000404000079",
        "pm_card_createMultipleDisputes",
        dispute_reason="fraudulent",
        disputes=2,
    ),
    Card("4000000000005423", "pm_card_createIssuerFraudRecord", warning=True),
    Card("4000000000007726", "pm_card_pendingRefund", refund="pending"),
    Card("4000000000005126", "pm_card_refundFail", refund="fails"),
    Card("4000000000000077", "pm_card_bypassPending", bypass_pending=True),
)
BY_NUMBER = {card.number: card for card in CARDS}
BY_METHOD = {card.method: card for card in CARDS}


def passes_luhn(number: str) -> bool:
    """Check the last digit of a card number."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def find_by_number(number: str) -> Card | None:
    """Return the card with this number; None if no card has it.

    A valid number that is not a test card's gives a card that is always declined.
    """
    if card := BY_NUMBER.get(number):
        return card
    if not number.isascii() or not number.isdigit() or not 12 <= len(number) <= 19:
        return None
    if not passes_luhn(number):
        return None
    return Card(number, "", decline=NOT_A_TEST_CARD)
