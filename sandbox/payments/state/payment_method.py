"""Cards that were entered or saved, customers, and their JSON forms."""

from dataclasses import dataclass, field

from sandbox.payments.errors import Json
from sandbox.payments.state.cards import Card
from sandbox.payments.state.ids import fingerprint

EMPTY_ADDRESS: Json = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


@dataclass
class PaymentMethod:
    """A card of a buyer."""

    id: str
    created: int
    card: Card
    exp_month: int
    exp_year: int
    cvc_given: bool
    customer: str | None = None
    kind: str = "card"
    # A PaymentMethod that was used without being attached can't be used again.
    used: bool = False
    billing_details: Json = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def last4(self) -> str:
        return self.card.number[-4:]

    def cvc_check(self) -> str | None:
        """Return the result of the CVC check, or None if no CVC was given."""
        if not self.cvc_given:
            return None
        failed = self.card.decline is not None and self.card.decline.code == "incorrect_cvc"
        return "fail" if failed else "pass"

    def billing(self) -> Json:
        """Return the billing details with all members."""
        given = self.billing_details
        return {
            "address": EMPTY_ADDRESS | (given.get("address") or {}),
            "email": given.get("email"),
            "name": given.get("name"),
            "phone": given.get("phone"),
            "tax_id": None,
        }

    def debit(self) -> Json:
        """Return the account of a direct debit."""
        return {
            "bank_code": "37040044",
            "branch_code": None,
            "country": "DE",
            "fingerprint": fingerprint(f"account {self.card.number}"),
            "generated_from": None,
            "last4": "3000",
        }

    def to_json(self) -> Json:
        """Return the object as the API returns it."""
        details = self._card() if self.kind == "card" else self.debit()
        return {
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": self.billing(),
            self.kind: details,
            "created": self.created,
            "customer": self.customer,
            "customer_account": None,
            "livemode": False,
            "metadata": dict(self.metadata),
            "type": self.kind,
        }

    def _card(self) -> Json:
        checks = {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": self.cvc_check(),
        }
        return {
            "brand": self.card.brand,
            "checks": checks,
            "country": "US",
            "display_brand": self.card.brand,
            "exp_month": self.exp_month,
            "exp_year": self.exp_year,
            "fingerprint": fingerprint(self.card.number),
            "funding": self.card.funding,
            "generated_from": None,
            "last4": self.last4,
            "networks": {"available": [self.card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        }


@dataclass
class Customer:
    """A buyer whose cards can be saved."""

    id: str
    created: int
    invoice_prefix: str
    email: str | None = None
    name: str | None = None
    description: str | None = None
    phone: str | None = None
    address: Json | None = None
    shipping: Json | None = None
    preferred_locales: list[str] = field(default_factory=list)
    default_payment_method: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the object as the API returns it."""
        return {
            "id": self.id,
            "object": "customer",
            "address": self.address,
            "balance": 0,
            "created": self.created,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "description": self.description,
            "discount": None,
            "email": self.email,
            "invoice_prefix": self.invoice_prefix,
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": self.default_payment_method,
                "footer": None,
                "rendering_options": None,
            },
            "livemode": False,
            "metadata": dict(self.metadata),
            "name": self.name,
            "next_invoice_sequence": 1,
            "phone": self.phone,
            "preferred_locales": list(self.preferred_locales),
            "shipping": self.shipping,
            "tax_exempt": "none",
            "test_clock": None,
        }
