"""A PaymentIntent and its JSON form."""

from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.payments.errors import Json

Status = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
]
Cancellation = Literal[
    "abandoned", "duplicate", "fraudulent", "requested_by_customer", "automatic", "expired"
]


def offered_types(
    allowed: list[str] | None, excluded: list[str] | None, *, holds: bool
) -> list[str]:
    """Return the types of payment methods that remain; direct debits can't hold an amount."""
    available = ("card", "link") if holds else ("card", "link", "sepa_debit")
    return [
        kind
        for kind in available
        if (allowed is None or kind in allowed) and kind not in (excluded or ())
    ]


@dataclass
class PaymentIntent:
    """One payment, from its creation to its success or cancellation."""

    id: str
    created: int
    amount: int
    currency: str
    client_secret: str
    capture_method: str = "automatic_async"
    confirmation_method: str = "automatic"
    status: Status = "requires_payment_method"
    amount_capturable: int = 0
    amount_received: int = 0
    automatic_payment_methods: Json | None = None
    allowed_payment_method_types: list[str] | None = None
    excluded_payment_method_types: list[str] | None = None
    customer: str | None = None
    description: str | None = None
    last_payment_error: Json | None = None
    latest_charge: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    next_action: Json | None = None
    canceled_at: int | None = None
    cancellation_reason: Cancellation | None = None
    payment_method: str | None = None
    payment_method_options: Json = field(default_factory=dict)
    receipt_email: str | None = None
    review: str | None = None
    setup_future_usage: str | None = None
    shipping: Json | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    transfer_group: str | None = None
    # Not part of the object: what confirmation and the hosted pages need.
    session: str | None = None
    return_url: str | None = None
    off_session: bool = False
    authentication: str | None = None

    def card_option(self, name: str) -> Any:
        """Return an option of card payments, or None if it is not set."""
        return self.payment_method_options.get("card", {}).get(name)

    def card_capture_method(self) -> str:
        """Return how a card payment is captured."""
        return self.card_option("capture_method") or self.capture_method

    def saves_card(self) -> bool:
        """Return true if the card is saved for the customer; the option of cards takes precedence."""
        wanted = self.card_option("setup_future_usage") or self.setup_future_usage
        return wanted not in (None, "none")

    def method_types(self) -> list[str]:
        """Return the types of payment methods that are offered."""
        return offered_types(
            self.allowed_payment_method_types,
            self.excluded_payment_method_types,
            holds=self.capture_method == "manual",
        )

    def to_json(self) -> Json:
        """Return the object as the API returns it."""
        card = {
            "installments": None,
            "mandate_options": None,
            "network": None,
            "request_three_d_secure": "automatic",
        } | self.payment_method_options.get("card", {})
        return {
            "id": self.id,
            "object": "payment_intent",
            "allowed_payment_method_types": self.allowed_payment_method_types,
            "amount": self.amount,
            "amount_capturable": self.amount_capturable,
            "amount_details": {"tip": {}},
            "amount_received": self.amount_received,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": self.automatic_payment_methods,
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": self.capture_method,
            "client_secret": self.client_secret,
            "confirmation_method": self.confirmation_method,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": None,
            "description": self.description,
            "excluded_payment_method_types": self.excluded_payment_method_types,
            "last_payment_error": self.last_payment_error,
            "latest_charge": self.latest_charge,
            "livemode": False,
            "managed_payments": None,
            "metadata": dict(self.metadata),
            "next_action": self.next_action,
            "on_behalf_of": None,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": None,
            "payment_method_options": {"card": card},
            "payment_method_types": self.method_types(),
            "processing": None,
            "receipt_email": self.receipt_email,
            "review": self.review,
            "setup_future_usage": self.setup_future_usage,
            "shipping": self.shipping,
            "source": None,
            "statement_descriptor": self.statement_descriptor,
            "statement_descriptor_suffix": self.statement_descriptor_suffix,
            "status": self.status,
            "transfer_data": None,
            "transfer_group": self.transfer_group,
        }
