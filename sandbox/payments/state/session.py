"""A Checkout Session and its JSON form."""

from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.payments.errors import Json
from sandbox.payments.state.payment_intent import offered_types
from sandbox.payments.state.payment_method import EMPTY_ADDRESS


@dataclass(frozen=True, slots=True)
class LineItem:
    """One line of what the buyer pays for."""

    id: str
    price: str
    product: str
    name: str
    unit_amount: int
    quantity: int
    currency: str
    created: int

    @property
    def total(self) -> int:
        return self.unit_amount * self.quantity

    def to_json(self) -> Json:
        """Return the object as the API returns it."""
        price = {
            "id": self.price,
            "object": "price",
            "active": False,
            "billing_scheme": "per_unit",
            "created": self.created,
            "currency": self.currency,
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": self.product,
            "recurring": None,
            "tax_behavior": "unspecified",
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "one_time",
            "unit_amount": self.unit_amount,
            "unit_amount_decimal": str(self.unit_amount),
        }
        return {
            "id": self.id,
            "object": "item",
            "adjustable_quantity": None,
            "amount_discount": 0,
            "amount_subtotal": self.total,
            "amount_tax": 0,
            "amount_total": self.total,
            "currency": self.currency,
            "description": self.name,
            "metadata": None,
            "price": price,
            "quantity": self.quantity,
        }


@dataclass
class Session:
    """A hosted page on which a buyer pays; its PaymentIntent is created when the buyer first tries."""

    id: str
    created: int
    expires_at: int
    currency: str
    line_items: list[LineItem]
    success_url: str
    base_url: str
    cancel_url: str | None = None
    status: Literal["open", "complete", "expired"] = "open"
    payment_status: Literal["paid", "unpaid"] = "unpaid"
    client_reference_id: str | None = None
    customer: str | None = None
    customer_creation: str = "if_required"
    customer_email: str | None = None
    customer_name: str | None = None
    # What the buyer typed on the page.
    buyer_email: str | None = None
    locale: str | None = None
    submit_type: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    payment_intent: str | None = None
    payment_intent_data: dict[str, Any] = field(default_factory=dict)
    payment_method_options: Json = field(default_factory=dict)
    saved_payment_method_options: Json | None = None
    allowed_payment_method_types: list[str] | None = None
    excluded_payment_method_types: list[str] | None = None
    adaptive_pricing: bool = True

    @property
    def amount(self) -> int:
        return sum(item.total for item in self.line_items)

    @property
    def page_url(self) -> str:
        return f"{self.base_url}/c/pay/{self.id}"

    @property
    def landing_url(self) -> str:
        """Where the buyer's browser goes after the payment."""
        return self.success_url.replace("{CHECKOUT_SESSION_ID}", self.id)

    def method_types(self) -> list[str]:
        """Return the types of payment methods that are offered."""
        return offered_types(
            self.allowed_payment_method_types,
            self.excluded_payment_method_types,
            holds=self.payment_intent_data.get("capture_method") == "manual",
        )

    def to_json(self) -> Json:
        """Return the object as the API returns it; `line_items` is included only when expanded."""
        return dict.fromkeys(_ABSENT.split()) | {
            "id": self.id,
            "object": "checkout.session",
            "adaptive_pricing": {"enabled": self.adaptive_pricing},
            "allowed_payment_method_types": self.allowed_payment_method_types,
            "amount_subtotal": self.amount,
            "amount_total": self.amount,
            "automatic_tax": {
                "enabled": False,
                "liability": None,
                "provider": None,
                "status": None,
            },
            "cancel_url": self.cancel_url,
            "client_reference_id": self.client_reference_id,
            "created": self.created,
            "currency": self.currency,
            "custom_fields": [],
            "custom_text": dict.fromkeys(
                ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
            ),
            "customer": self.customer,
            "customer_creation": None if self.customer else self.customer_creation,
            "customer_details": self._customer_details(),
            "customer_email": self.customer_email,
            "excluded_payment_method_types": self.excluded_payment_method_types,
            "expires_at": self.expires_at,
            "invoice_creation": {"enabled": False, "invoice_data": _NO_INVOICE},
            "livemode": False,
            "locale": self.locale,
            "metadata": dict(self.metadata),
            "mode": "payment",
            "payment_intent": self.payment_intent,
            "payment_method_collection": "if_required",
            "payment_method_options": self.payment_method_options,
            "payment_method_types": self.method_types(),
            "payment_status": self.payment_status,
            "phone_number_collection": {"enabled": False},
            "saved_payment_method_options": self._saved_options(),
            "shipping_options": [],
            "status": self.status,
            "submit_type": self.submit_type,
            "success_url": self.success_url,
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "url": self.page_url if self.status == "open" else None,
        }

    def _saved_options(self) -> Json | None:
        if self.customer is None:
            return None
        return {
            "allow_redisplay_filters": ["always"],
            "payment_method_remove": "disabled",
            "payment_method_save": None,
        } | (self.saved_payment_method_options or {})

    def _customer_details(self) -> Json | None:
        email = self.buyer_email or self.customer_email
        if email is None and self.status != "complete":
            return None
        return {
            "address": EMPTY_ADDRESS,
            "business_name": None,
            "email": email,
            "individual_name": None,
            "name": self.customer_name,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        }


_NO_INVOICE: Json = {
    "account_tax_ids": None,
    "custom_fields": None,
    "description": None,
    "footer": None,
    "issuer": None,
    "metadata": {},
    "rendering_options": None,
}

# Members that are always null here, as they belong to features that the sandbox doesn't have.
_ABSENT = """
    after_expiration allow_promotion_codes billing_address_collection client_secret collected_information
    consent consent_collection currency_conversion customer_account discounts integration_identifier invoice
    managed_payments origin_context payment_link payment_method_configuration_details permissions
    recovered_from setup_intent shipping_address_collection shipping_cost
    subscription wallet_options
"""
