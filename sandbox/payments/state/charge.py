"""A charge: one attempt to pay a PaymentIntent, and its JSON form."""

from dataclasses import dataclass, field
from typing import Literal

from sandbox.payments.errors import Json
from sandbox.payments.state.cards import Decline
from sandbox.payments.state.ids import fingerprint
from sandbox.payments.state.payment_method import PaymentMethod

_RISK_SCORES = {"normal": 21, "elevated": 68, "highest": 90, "blocked": 92}


@dataclass
class Charge:
    """One attempt with one card; `captured` is false while the amount is only held."""

    id: str
    created: int
    amount: int
    currency: str
    payment_intent: str
    method: PaymentMethod
    status: Literal["succeeded", "pending", "failed"]
    captured: bool = False
    amount_captured: int = 0
    amount_refunded: int = 0
    decline: Decline | None = None
    disputed: bool = False
    refunded: bool = False
    balance_transaction: str | None = None
    capture_before: int | None = None
    authenticated: bool = False
    fraud_reported: bool = False
    customer: str | None = None
    description: str | None = None
    receipt_email: str | None = None
    shipping: Json | None = None
    statement_descriptor_suffix: str | None = None
    transfer_group: str | None = None
    review: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    receipt_url: str = ""

    def to_json(self) -> Json:
        """Return the object as the API returns it; `refunds` is included only when expanded."""
        failure = self.decline
        return {
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.amount_captured,
            "amount_refunded": self.amount_refunded,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": self.balance_transaction,
            "billing_details": self.method.billing(),
            "calculated_statement_descriptor": "SANDBOX",
            "captured": self.captured,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": self.description,
            "disputed": self.disputed,
            "failure_balance_transaction": None,
            "failure_code": failure.code if failure else None,
            "failure_message": failure.message if failure else None,
            "fraud_details": {"user_report": "fraudulent"} if self.fraud_reported else {},
            "livemode": False,
            "metadata": dict(self.metadata),
            "on_behalf_of": None,
            "outcome": self._outcome(),
            "paid": self.status == "succeeded",
            "payment_intent": self.payment_intent,
            "payment_method": self.method.id,
            "payment_method_details": self._method_details(),
            "receipt_email": self.receipt_email,
            "receipt_number": None,
            "receipt_url": self.receipt_url if self.status == "succeeded" else None,
            "refunded": self.refunded,
            "review": self.review,
            "shipping": self.shipping,
            "source": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": self.statement_descriptor_suffix,
            "status": self.status,
            "transfer_data": None,
            "transfer_group": self.transfer_group,
        }

    def _outcome(self) -> Json:
        risk = self.method.card.risk
        failure = self.decline
        outcome: Json = {
            "advice_code": failure.advice_code if failure else None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "highest" if risk == "blocked" else risk,
            "risk_score": _RISK_SCORES[risk],
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
        if risk in ("elevated", "highest"):
            outcome["reason"] = f"{risk}_risk_level"
        if failure is None:
            return outcome
        if risk == "blocked":
            blocked = {"reason": "highest_risk_level", "network_status": "not_sent_to_network"}
            message = "Stripe blocked this payment as too risky."
            return outcome | blocked | {"seller_message": message, "type": "blocked"}
        return outcome | {
            "network_decline_code": "05",
            "network_status": "declined_by_network",
            "reason": failure.decline_code or failure.code,
            "seller_message": "The bank declined the payment.",
            "type": "issuer_declined",
        }

    def _method_details(self) -> Json:
        if self.method.kind == "card":
            return {"card": self._card(), "type": "card"}
        debit = self.method.debit() | {"expected_debit_date": None, "mandate": None}
        del debit["generated_from"]
        return {self.method.kind: debit, "type": self.method.kind}

    def _card(self) -> Json:
        method = self.method
        details: Json = {
            "amount_authorized": self.amount if self.status == "succeeded" else None,
            "authorization_code": "123456" if self.status == "succeeded" else None,
            "brand": method.card.brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": method.cvc_check(),
            },
            "country": "US",
            "exp_month": method.exp_month,
            "exp_year": method.exp_year,
            "extended_authorization": {"status": "disabled"},
            "fingerprint": fingerprint(method.card.number),
            "funding": method.card.funding,
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "last4": method.last4,
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network": method.card.brand,
            "network_token": {"used": False},
            "network_transaction_id": None,
            "overcapture": {
                "maximum_amount_capturable": self.amount,
                "status": "unavailable",
            },
            "regulated_status": "unregulated",
            "three_d_secure": _three_d_secure() if self.authenticated else None,
            "transaction_link_id": None,
            "wallet": None,
        }
        if self.capture_before is not None:
            details["capture_before"] = self.capture_before
        return details


def _three_d_secure() -> Json:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": None,
        "version": "2.2.0",
    }
