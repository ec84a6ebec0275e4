"""Conversion of Stripe's objects to the values of the port. Every function raises ShapeError."""

from datetime import datetime

from services.orders.payments.port import (
    BalanceTransaction,
    Checkout,
    FraudWarning,
    Intent,
    IntentState,
    ProviderDispute,
    ProviderRefund,
    ProviderRefundState,
)
from services.orders.payments.stripe.shapes import Shape

PAYMENT, ORDER, REFUND = "payment_id", "order_id", "refund_id"

STATES = {
    "requires_payment_method": IntentState.OPEN,
    "requires_confirmation": IntentState.OPEN,
    "requires_action": IntentState.OPEN,
    "processing": IntentState.PROCESSING,
    "requires_capture": IntentState.AUTHORIZED,
    "succeeded": IntentState.PAID,
    "canceled": IntentState.CANCELED,
}
REFUND_STATES = {
    "pending": ProviderRefundState.PENDING,
    "requires_action": ProviderRefundState.PENDING,
    "succeeded": ProviderRefundState.SUCCEEDED,
    "failed": ProviderRefundState.FAILED,
    "canceled": ProviderRefundState.FAILED,
}
# For the customer. Everything else is a plain decline: saying that a card is reported as stolen would help
# only the thief.
FAILURES = {
    "insufficient_funds": "The card has not enough funds.",
    "expired_card": "The card has expired.",
    "incorrect_cvc": "The security code of the card is wrong.",
    "incorrect_number": "The number of the card is wrong.",
    "processing_error": "The card could not be processed; try again in a moment.",
    "issuer_not_available": "The bank of the card can't be reached; try again in a moment.",
    "reenter_transaction": "The card could not be processed; try again in a moment.",
    "authentication_required": "The bank wants you to confirm the payment; try again.",
    "payment_intent_authentication_failure": "The payment was not confirmed with the bank; try again.",
    "card_velocity_exceeded": "The card is over its limit; use another one.",
    "currency_not_supported": "The card can't pay in this currency; use another one.",
}
DECLINED = "The card was declined; use another one."
# The outcomes of Stripe's fraud prevention after which a person should look.
HIGH_RISK = frozenset({"elevated", "highest"})
CLOSED = frozenset({"won", "lost", "warning_closed", "prevented"})


def intent(shape: Shape) -> Intent:
    """Convert a PaymentIntent whose `latest_charge` is expanded."""
    status = shape.word("status")
    if status not in STATES:
        raise shape.fail("status")
    charge = shape.expanded("latest_charge")
    found = charge.part("payment_method_details", "card") if charge is not None else None
    outcome = charge.part("outcome") if charge is not None else None
    risky = outcome is not None and (
        outcome.word("risk_level") in HIGH_RISK or outcome.word("type") == "manual_review"
    )
    return Intent(
        id=shape.id(),
        state=STATES[status],
        payment_id=shape.metadata(PAYMENT),
        amount=shape.amount("amount"),
        capturable=shape.amount("amount_capturable"),
        received=shape.amount("amount_received"),
        currency=shape.currency(),
        charge_id=charge.id() if charge is not None else None,
        capture_before=found.moment("capture_before") if found is not None else None,
        card_fingerprint=found.word("fingerprint") if found is not None else "",
        card_last4=found.word("last4") if found is not None else "",
        failure=_why_declined(shape.part("last_payment_error")),
        reason=shape.word("cancellation_reason"),
        high_risk=risky or "review" in shape,
        client_secret=shape.text("client_secret"),
    )


def _why_declined(error: Shape) -> str:
    code, decline = error.word("code"), error.word("decline_code")
    return FAILURES.get(decline) or FAILURES.get(code) or (DECLINED if code or decline else "")


def checkout(shape: Shape) -> Checkout:
    """Convert a Checkout Session."""
    status = shape.word("status")
    if status not in ("open", "complete", "expired"):
        raise shape.fail("status")
    return Checkout(
        id=shape.id(),
        open=status == "open",
        expired=status == "expired",
        intent_id=shape.reference("payment_intent") or None,
        payment_id=shape.metadata(PAYMENT),
        amount=shape.amount("amount_total"),
        currency=shape.currency(),
        url=shape.text("url"),
    )


def refund(shape: Shape) -> ProviderRefund:
    """Convert a Refund."""
    status = shape.word("status")
    if status not in REFUND_STATES:
        raise shape.fail("status")
    return ProviderRefund(
        id=shape.id(),
        refund_id=shape.metadata(REFUND),
        intent_id=shape.reference("payment_intent"),
        amount=shape.amount("amount"),
        currency=shape.currency(),
        state=REFUND_STATES[status],
        failure=shape.word("failure_reason"),
    )


def dispute(shape: Shape) -> ProviderDispute:
    """Convert a Dispute."""
    status = shape.word("status")
    created = shape.moment("created")
    if not status or created is None:
        raise shape.fail("status" if not status else "created")
    moved = [_moved(row) for row in shape.rows("balance_transactions")]
    return ProviderDispute(
        id=shape.id(),
        intent_id=shape.reference("payment_intent"),
        charge_id=shape.reference("charge"),
        amount=shape.amount("amount"),
        currency=shape.currency(),
        reason=shape.word("reason"),
        status=status,
        taken=any(sign < 0 for _, sign in moved),
        withdrawn=_last_taken(moved),
        closed=status in CLOSED,
        respond_by=shape.part("evidence_details").moment("due_by"),
        created_at=created,
    )


def _moved(row: Shape) -> tuple[datetime, int]:
    """Return when a balance transaction of a dispute was made, and the sign of its amount.

    The amounts are in the settlement currency, at the exchange rate of their day: what was withdrawn and what
    was given back may differ.
    """
    at, amount = row.moment("created"), row.amount("amount", negative=True)
    if at is None:
        raise row.fail("created")
    return at, (amount > 0) - (amount < 0)


def _last_taken(moved: list[tuple[datetime, int]]) -> bool:
    """Return whether the newest of these balance transactions took the amount from the shop.

    Times are full seconds: of a withdrawal and its return in the same second, the return was last.
    """
    newest = max((at for at, sign in moved if sign), default=None)
    return sum(sign for at, sign in moved if at == newest) < 0


def warning(shape: Shape) -> FraudWarning:
    """Convert an early fraud warning."""
    return FraudWarning(
        id=shape.id(),
        intent_id=shape.reference("payment_intent"),
        charge_id=shape.reference("charge"),
        actionable=shape.flag("actionable"),
    )


def balance_transaction(shape: Shape) -> BalanceTransaction:
    """Convert a balance transaction whose `source` is expanded."""
    created = shape.moment("created")
    if created is None:
        raise shape.fail("created")
    source = shape.part("source")
    return BalanceTransaction(
        id=shape.id(),
        kind=shape.word("reporting_category") or shape.word("type"),
        source_id=shape.reference("source"),
        intent_id=source.reference("payment_intent"),
        amount=shape.amount("amount", negative=True),
        fee=shape.amount("fee", negative=True),
        currency=shape.currency(),
        exchange_rate=shape.number("exchange_rate"),
        at=created,
    )
