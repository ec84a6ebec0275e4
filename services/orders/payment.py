"""Payments, with their states, and what the payment provider reports of them."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from kit.values import currencies

# The payment provider takes two decimal places, also of currencies that have three.
CARD_UNIT = Decimal("0.01")


def payable_unit(currency: str) -> Decimal:
    """Return the amount of which all that a card can pay, or get back, is a multiple."""
    return max(currencies.unit(currency), CARD_UNIT)


class PaymentMethod(StrEnum):
    """How a customer pays. With CARD, the wallet may pay a part. INVOICE: an organization buys on account."""

    CARD = "CARD"
    WALLET = "WALLET"
    MANUAL = "MANUAL"
    INVOICE = "INVOICE"


class PaymentState(StrEnum):
    """The state of a payment.

    AUTHORIZED: held, not taken. PAID: taken before the order was delivered. CAPTURED: taken for a delivered
    order, or for a top-up. RELEASED: nothing was taken, or all of it goes back as a refund.
    """

    AWAITING = "AWAITING"
    AUTHORIZED = "AUTHORIZED"
    PAID = "PAID"
    CAPTURED = "CAPTURED"
    RELEASED = "RELEASED"


class RefundState(StrEnum):
    """The state of a refund. FAILED may follow SUCCEEDED, even weeks later."""

    PLANNED = "PLANNED"
    STARTED = "STARTED"
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class RefundDestination(StrEnum):
    """Where a refund goes.

    MANUAL: the finance staff pays it back in another way. INVOICE: the organization owes that much less.
    """

    CARD = "CARD"
    WALLET = "WALLET"
    MANUAL = "MANUAL"
    INVOICE = "INVOICE"


class RefundReason(StrEnum):
    """Why money goes back."""

    NOT_DELIVERED = "NOT_DELIVERED"
    CANCELLED = "CANCELLED"
    STAFF = "STAFF"
    FRAUD_WARNING = "FRAUD_WARNING"


@dataclass(frozen=True, slots=True)
class Choice:
    """How a customer wants to pay an order.

    `return_url` makes it a payment on the payment provider's page; empty: the client uses the secret of the
    intent.
    """

    method: PaymentMethod
    use_wallet: bool = False
    return_url: str = ""
    save_method: bool = False
    client_address: str = ""


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment; money in units of `currency`, times in UTC. `order_id` is None for a top-up."""

    id: UUID
    order_id: UUID | None
    customer_id: UUID
    method: PaymentMethod
    amount: Decimal
    wallet_amount: Decimal
    currency: str
    state: PaymentState
    captured: Decimal
    refunded: Decimal
    refunded_to_card: Decimal
    hosted: bool
    requested_at: datetime | None
    session_id: str | None
    intent_id: str | None
    charge_id: str | None
    return_url: str
    save_method: bool
    authorized_at: datetime | None
    capture_before: datetime | None
    expires_at: datetime
    declines: int
    failure: str
    client_address: str
    email_domain: str
    account_created_at: datetime | None
    card_fingerprint: str
    card_last4: str
    held_reason: str
    held_at: datetime | None
    reviewed_at: datetime | None
    reviewed_by: str
    policy: dict[str, Any] = field(hash=False)
    reference: str
    next_run_at: datetime | None
    looks: int
    detail: str
    created_at: datetime
    updated_at: datetime
    organization_id: (
        UUID | None
    )  # the organization that the order is for; None for a customer's own

    @property
    def wallet_owner(self) -> UUID:
        """Whose wallet pays, and gets refunds."""
        return self.organization_id or self.customer_id

    @property
    def card_amount(self) -> Decimal:
        """What the card pays; 0 for other methods."""
        return self.amount - self.wallet_amount if self.method is PaymentMethod.CARD else Decimal(0)

    @property
    def held(self) -> bool:
        """True if a person has to look before the order is bought."""
        return (
            bool(self.held_reason)
            and self.reviewed_at is None
            and self.state in (PaymentState.AUTHORIZED, PaymentState.PAID)
        )


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund of a payment, recorded before it is made."""

    id: UUID
    payment_id: UUID
    order_id: UUID | None
    customer_id: UUID
    amount: Decimal
    currency: str
    destination: RefundDestination
    reason: RefundReason
    note: str
    requested_by: str
    state: RefundState
    provider_id: str | None
    failure: str
    started_at: datetime | None
    settled_at: datetime | None
    created_at: datetime
