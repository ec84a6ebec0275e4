"""Balance transactions: every movement of the merchant's money, with its fee."""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.payments.errors import Json


@dataclass
class BalanceTransaction:
    """One movement; `amount` is gross, and `net` is what remains after the fee."""

    id: str
    created: int
    amount: int
    fee: int
    currency: str
    type: str
    reporting_category: str
    source: str
    available_on: int
    description: str | None = None
    fee_description: str = "Stripe processing fees"
    payout: str | None = None

    @property
    def net(self) -> int:
        return self.amount - self.fee

    def to_json(self, now: Callable[[], int]) -> Json:
        """Return the object as the API returns it at the time of `now`."""
        fee = {
            "amount": self.fee,
            "application": None,
            "currency": self.currency,
            "description": self.fee_description,
            "type": "stripe_fee",
        }
        return {
            "id": self.id,
            "object": "balance_transaction",
            "amount": self.amount,
            "available_on": self.available_on,
            "balance_type": "payments",
            "created": self.created,
            "currency": self.currency,
            "description": self.description,
            "exchange_rate": None,
            "fee": self.fee,
            "fee_details": [fee] if self.fee else [],
            "net": self.net,
            "reporting_category": self.reporting_category,
            "source": self.source,
            "status": "available" if self.available_on <= now() else "pending",
            "type": self.type,
        }
