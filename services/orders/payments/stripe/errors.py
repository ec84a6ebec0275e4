"""Conversion of the errors of Stripe's library to failures, for reads and for writes.

No text of Stripe, no body and no header gets into a failure: they can contain client secrets and names.
"""

import re
from collections.abc import Mapping

import stripe

from kit.errors import Failure, Kind
from services.orders.payments.stripe.transport import NotSentError

# Seconds, if Stripe does not say when to come back.
RETRY_AFTER = 2.0
MAX_RETRY_AFTER = 300.0
CODE = re.compile(r"[a-z0-9_]{1,80}")

REASONS = {
    "amount_too_small": "PAYMENT_AMOUNT_TOO_SMALL",
    "amount_too_large": "PAYMENT_AMOUNT_TOO_LARGE",
    "charge_already_refunded": "PAYMENT_ALREADY_REFUNDED",
    "charge_disputed": "PAYMENT_DISPUTED",
    "refund_disputed_payment": "PAYMENT_DISPUTED",
    "charge_not_refundable": "PAYMENT_NOT_REFUNDABLE",
    "balance_insufficient": "PAYMENT_BALANCE_TOO_LOW",
    "insufficient_funds": "PAYMENT_BALANCE_TOO_LOW",
    "resource_missing": "PAYMENT_NOT_FOUND",
}
MESSAGES = {
    "PAYMENT_AMOUNT_TOO_SMALL": "The amount is below the smallest one that a card can pay.",
    "PAYMENT_AMOUNT_TOO_LARGE": "The amount is above the largest one that a card can pay.",
    "PAYMENT_ALREADY_REFUNDED": "The payment was refunded already.",
    "PAYMENT_DISPUTED": "The payment is disputed, so it can't be refunded.",
    "PAYMENT_NOT_REFUNDABLE": "The payment can't be refunded to the card any more.",
    "PAYMENT_BALANCE_TOO_LOW": "The balance at the payment provider is too low for this refund.",
    "PAYMENT_NOT_FOUND": "The payment provider does not know this object.",
    "PAYMENT_DECLINED": "The payment was declined.",
    "PAYMENT_REFUSED": "The payment provider refused the request.",
    # Also shown to customers; operators see the reason in the log, and an alert.
    "PAYMENT_PROVIDER_FORBIDDEN": "This shop can't take payments now; try again later.",
    "PAYMENT_PROVIDER_BUSY": "The payment provider takes no more requests now; try again later.",
    "PAYMENT_PROVIDER_UNREACHABLE": "The payment provider could not be reached; try again later.",
    "PAYMENT_PROVIDER_ERROR": "The payment provider failed; try again later.",
    "PAYMENT_PROVIDER_BAD_ANSWER": "The payment provider's answer could not be understood; try again later.",
    "PAYMENT_OUTCOME_UNKNOWN": "The payment provider may or may not have carried out the request;"
    " check before repeating it.",
}
# Refusals of a capture or a cancellation because the intent has moved on: read it.
MOVED_ON = frozenset(
    {
        *("payment_intent_unexpected_state", "intent_invalid_state", "charge_already_captured"),
        *("charge_expired_for_capture", "capture_charge_authorization_expired"),
    }
)


def code_of(error: stripe.StripeError) -> str:
    """Return Stripe's code of an error; "" if it has none. Most classes don't set `error.code`."""
    code = error.code or getattr(error.error, "code", None)
    return code if isinstance(code, str) and CODE.fullmatch(code) else ""


def failure(error: stripe.StripeError, endpoint: str, *, write: bool) -> Failure:
    """Return the failure for an error of the library.

    For a write, everything but a refusal is UNCLEAR, unless surely nothing happened. That includes a 500,
    which Stripe also repeats for each later request with the same key; 409, while the first request with the
    key still runs; and a key that was used with other parameters.
    """
    details = {"endpoint": endpoint}
    if error.http_status:
        details["provider_status"] = str(error.http_status)
    if code := code_of(error):
        details["provider_code"] = code
    if (number := error.request_id) and CODE.fullmatch(number.lower()):
        details["provider_request"] = number
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return _made(Kind.UNAVAILABLE, "PAYMENT_PROVIDER_FORBIDDEN", details)
    if isinstance(error, stripe.RateLimitError):
        pause = _retry_after(error.headers or {})
        return _made(Kind.UNAVAILABLE, "PAYMENT_PROVIDER_BUSY", details, pause)
    if isinstance(error, NotSentError):
        return _made(Kind.UNAVAILABLE, "PAYMENT_PROVIDER_UNREACHABLE", details)
    if isinstance(error, stripe.CardError):
        return _made(Kind.REFUSED, REASONS.get(code, "PAYMENT_DECLINED"), details)
    if isinstance(error, stripe.InvalidRequestError):
        return _made(Kind.REFUSED, REASONS.get(code, "PAYMENT_REFUSED"), details)
    return broken(endpoint, write=write, reason="PAYMENT_PROVIDER_ERROR", details=details)


def broken(
    endpoint: str,
    *,
    write: bool,
    reason: str = "PAYMENT_PROVIDER_BAD_ANSWER",
    details: Mapping[str, str] | None = None,
) -> Failure:
    """Return the failure for a missing or unreadable answer: UNCLEAR for a write."""
    kind = Kind.UNCLEAR if write else Kind.UNAVAILABLE
    reason = "PAYMENT_OUTCOME_UNKNOWN" if write else reason
    return _made(kind, reason, details or {"endpoint": endpoint})


def _made(
    kind: Kind, reason: str, details: Mapping[str, str], retry_after: float | None = None
) -> Failure:
    return Failure(kind, reason, MESSAGES[reason], retry_after=retry_after, details=details)


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return min(float(text), MAX_RETRY_AFTER) if text.isdecimal() else RETRY_AFTER
