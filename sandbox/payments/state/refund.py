"""A refund and its JSON form."""

from dataclasses import dataclass, field
from typing import Literal

from sandbox.payments.errors import Json


@dataclass
class Refund:
    """Money returned to the buyer; one that succeeded can still fail later."""

    id: str
    created: int
    amount: int
    currency: str
    charge: str
    payment_intent: str
    payment_method: str
    status: Literal["pending", "succeeded", "failed"] = "succeeded"
    pending_reason: str | None = None
    reason: str | None = None
    customer: str | None = None
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    failure_reason: str | None = None
    instructions_email: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the object as the API returns it; members of a failure appear after one only."""
        result: Json = {
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": self.balance_transaction,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": None,
            "destination_details": {
                "card": {
                    "reference_status": "pending",
                    "reference_type": "acquirer_reference_number",
                    "type": "refund",
                },
                "type": "card",
            },
            "metadata": dict(self.metadata),
            "payment_intent": self.payment_intent,
            "payment_method": self.payment_method,
            "reason": self.reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": self.status,
            "transfer_reversal": None,
        }
        optional = {
            "pending_reason": self.pending_reason,
            "failure_reason": self.failure_reason,
            "failure_balance_transaction": self.failure_balance_transaction,
            "instructions_email": self.instructions_email,
        }
        return result | {name: value for name, value in optional.items() if value is not None}
