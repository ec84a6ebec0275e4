"""Disputes and early fraud warnings, and their JSON forms."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sandbox.payments.errors import Json

DisputeStatus = Literal[
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "needs_response",
    "under_review",
    "won",
    "lost",
    "prevented",
]
TEXTS = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
)
FILES = (
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
)
REASONS = (
    "bank_cannot_process",
    "check_returned",
    "credit_not_processed",
    "customer_initiated",
    "debit_not_authorized",
    "duplicate",
    "fraudulent",
    "general",
    "incorrect_account_details",
    "insufficient_funds",
    "noncompliant",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
)
_NETWORK_CODES = {"fraudulent": "10.4", "product_not_received": "13.1"}


@dataclass
class Dispute:
    """A buyer's complaint at the bank about a charge."""

    id: str
    created: int
    amount: int
    currency: str
    charge: str
    payment_intent: str
    brand: str
    reason: str
    status: DisputeStatus
    due_by: int
    evidence: dict[str, str] = field(default_factory=dict)
    submission_count: int = 0
    past_due: bool = False
    balance_transactions: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def inquiry(self) -> bool:
        """True while no money was withdrawn."""
        return self.status.startswith("warning_")

    @property
    def open(self) -> bool:
        """True until the bank has decided."""
        return self.status not in ("warning_closed", "won", "lost", "prevented")

    @property
    def refundable(self) -> bool:
        """True if the charge can still be refunded."""
        return self.inquiry or self.status in ("won", "prevented")

    def to_json(self, transaction: Callable[[str], Json]) -> Json:
        """Return the object as the API returns it; `transaction` renders a balance transaction."""
        evidence: Json = {name: self.evidence.get(name) for name in sorted((*TEXTS, *FILES))}
        code = _NETWORK_CODES.get(self.reason, "13.3")
        return {
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": [transaction(id_) for id_ in self.balance_transactions],
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": evidence | {"enhanced_evidence": {}},
            "evidence_details": {
                "due_by": self.due_by,
                "enhanced_eligibility": {},
                "has_evidence": bool(self.evidence),
                "past_due": self.past_due,
                "submission_count": self.submission_count,
                "submission_method": "manual" if self.submission_count else "not_submitted",
            },
            "is_charge_refundable": self.refundable,
            "livemode": False,
            "metadata": dict(self.metadata),
            "payment_intent": self.payment_intent,
            "payment_method_details": {
                "card": {
                    "brand": self.brand,
                    "case_type": "inquiry" if self.inquiry else "chargeback",
                    "network": self.brand,
                    "network_reason_code": code,
                },
                "type": "card",
            },
            "reason": self.reason,
            "status": self.status,
        }


@dataclass
class EarlyFraudWarning:
    """A report of the card's issuer that a charge is probably fraudulent."""

    id: str
    created: int
    charge: str
    payment_intent: str
    fraud_type: str
    actionable: bool = True

    def to_json(self) -> Json:
        """Return the object as the API returns it."""
        return {
            "id": self.id,
            "object": "radar.early_fraud_warning",
            "actionable": self.actionable,
            "charge": self.charge,
            "created": self.created,
            "fraud_type": self.fraud_type,
            "livemode": False,
            "payment_intent": self.payment_intent,
        }
