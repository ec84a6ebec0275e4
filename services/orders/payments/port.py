"""What the orders service needs of a payment provider, and what it reports."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class IntentState(StrEnum):
    """The state of an intent. AUTHORIZED: the amount is held. PAID: it was taken."""

    OPEN = "OPEN"  # the customer has to pay, or to confirm
    PROCESSING = "PROCESSING"  # the method takes days
    AUTHORIZED = "AUTHORIZED"
    PAID = "PAID"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment as the payment provider reports it; amounts in units of `currency`, in upper case.

    `payment_id` is the one that was sent with the request, "" if there is none: compare it, and the amount.
    `reason` is why a canceled intent ended. `failure` is why the last attempt failed, as a message for the
    customer.
    """

    id: str
    state: IntentState
    payment_id: str
    amount: Decimal
    capturable: Decimal
    received: Decimal
    currency: str
    charge_id: str | None = None
    capture_before: datetime | None = None
    card_fingerprint: str = ""
    card_last4: str = ""
    failure: str = ""
    reason: str = ""
    high_risk: bool = False
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Checkout:
    """A session on the payment provider's page. `intent_id` is None until the customer has tried to pay."""

    id: str
    open: bool
    expired: bool
    intent_id: str | None
    payment_id: str
    amount: Decimal
    currency: str
    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Start:
    """What is needed to start a payment; `amount` in units of `currency`.

    `customer` is the payment provider's id of a customer who saves the method or, without `save`, has saved
    one.
    """

    payment_id: UUID
    order_id: UUID | None
    amount: Decimal
    currency: str
    description: str
    return_url: str
    expires_at: datetime
    capture_now: bool  # a top-up is taken at once
    customer: str = ""
    save: bool = True


class ProviderRefundState(StrEnum):
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund as the payment provider reports it. `refund_id` is the one that was sent, "" if none was."""

    id: str
    refund_id: str
    intent_id: str
    amount: Decimal
    currency: str
    state: ProviderRefundState
    failure: str = ""


@dataclass(frozen=True, slots=True)
class ProviderDispute:
    """A dispute as the payment provider reports it.

    `taken` is True if it ever took the amount from the shop, `withdrawn` while it has it.
    """

    id: str
    intent_id: str
    charge_id: str
    amount: Decimal
    currency: str
    reason: str
    status: str
    taken: bool
    withdrawn: bool
    closed: bool
    respond_by: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FraudWarning:
    """A card issuer's early report that a charge may be fraudulent."""

    id: str
    intent_id: str
    charge_id: str
    actionable: bool


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """A movement of the shop's balance, in the settlement currency.

    `source_id` is a charge, refund or dispute.
    """

    id: str
    kind: str
    source_id: str
    intent_id: str
    amount: Decimal
    fee: Decimal
    currency: str
    exchange_rate: Decimal | None
    at: datetime


class PaymentPort(Protocol):
    """A payment provider.

    Amounts are in units of the currency, with its digits. Every method raises Failure: REFUSED with a
    PAYMENT_... reason when the payment provider refuses, UNAVAILABLE (PAYMENT_PROVIDER_UNREACHABLE) when
    surely nothing happened, and UNCLEAR (PAYMENT_OUTCOME_UNKNOWN) when it may have. After UNCLEAR, read the
    object; writes may be repeated with the same arguments, because their keys are made from these ids: one
    key for each act, never one for each try. Keys end after 24 hours; from then on, only read.
    """

    def minimum(self, currency: str) -> Decimal:
        """Return the smallest amount that can be paid; 0 if it is not known."""

    async def start_intent(self, start: Start) -> Intent:
        """Create the intent of a payment, or return the one that was created before."""

    async def start_checkout(self, start: Start) -> Checkout:
        """Create the checkout session of a payment, or return the one that was created before."""

    async def find_intent(self, payment_id: UUID, since: datetime) -> Intent | None:
        """Return the intent of a payment by what was sent with it; for the time after keys have ended."""

    async def find_checkout(self, payment_id: UUID, since: datetime) -> Checkout | None:
        """Return the checkout session of a payment by what was sent with it."""

    async def get_intent(self, intent_id: str) -> Intent: ...

    async def get_checkout(self, session_id: str) -> Checkout: ...

    async def end_checkout(self, session_id: str) -> Checkout:
        """Expire an open session, so that it can't be paid any more; return it as it is then.

        As `capture` and `cancel`, raises UNCLEAR only if the object does not tell the outcome either.
        """

    async def declines(self, intent_id: str) -> int:
        """Return how many tries to pay the intent failed."""

    async def capture(self, intent_id: str, payment_id: UUID) -> Intent:
        """Take the whole held amount; return the intent as it is then, also if it was taken before."""

    async def cancel(self, intent_id: str, payment_id: UUID) -> Intent:
        """Release the hold or end the intent; return it as it is then, also if it can't be canceled."""

    async def refund(
        self, intent_id: str, refund_id: UUID, amount: Decimal, currency: str, *, fraudulent: bool
    ) -> ProviderRefund: ...

    async def list_refunds(self, intent_id: str) -> list[ProviderRefund]: ...

    async def get_dispute(self, dispute_id: str) -> ProviderDispute: ...

    def list_disputes(self, since: datetime) -> AsyncIterator[ProviderDispute]:
        """Yield the disputes that were opened since a time, the newest first, without unreadable ones."""
        ...

    async def get_warning(self, warning_id: str) -> FraudWarning: ...

    def list_warnings(self, since: datetime) -> AsyncIterator[FraudWarning]:
        """Yield the early fraud warnings since a time, the newest first, without unreadable ones."""
        ...

    async def create_customer(self, customer_id: UUID) -> str:
        """Create the payment provider's record of a customer, without personal data; return its id."""

    def balance_transactions(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[BalanceTransaction]:
        """Yield the movements of the balance, the newest first, without unreadable ones."""
        ...
