"""Payouts of the available balance to the merchant's bank account."""

from dataclasses import dataclass, field

from sandbox.payments.errors import Json, not_found, refused
from sandbox.payments.state.world import World


@dataclass
class Payout:
    """Money sent to the bank; one that was paid can still fail."""

    id: str
    created: int
    amount: int
    currency: str
    arrival_date: int
    destination: str
    status: str = "paid"
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    reconciliation_status: str = "completed"
    metadata: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the object as the API returns it."""
        return {
            "id": self.id,
            "object": "payout",
            "amount": self.amount,
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": self.arrival_date,
            "automatic": True,
            "balance_transaction": self.balance_transaction,
            "created": self.created,
            "currency": self.currency,
            "description": "STRIPE PAYOUT",
            "destination": self.destination,
            "failure_balance_transaction": self.failure_balance_transaction,
            "failure_code": self.failure_code,
            "failure_message": self.failure_message,
            "livemode": False,
            "metadata": dict(self.metadata),
            "method": "standard",
            "original_payout": None,
            "payout_method": None,
            "reconciliation_status": self.reconciliation_status,
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": None,
            "status": self.status,
            "trace_id": None,
            "type": "bank_account",
        }


def find(world: World, id_: str) -> Payout:
    """Return a payout; raise ApiError if it is unknown."""
    if (payout := world.payouts.get(id_)) is None:
        raise not_found("payout", id_)
    return payout


def pay_out(world: World, currency: str) -> Payout:
    """Pay out everything that is available in one currency, as an automatic payout does."""
    now = world.now()
    parts = [
        one
        for one in world.balance.values()
        if one.currency == currency and one.payout is None and one.available_on <= now
    ]
    amount = sum(one.net for one in parts)
    if amount <= 0:
        raise refused("No money is available for a payout.", "balance_insufficient")
    payout = Payout(world.ids.new("po"), now, amount, currency, now, world.ids.new("ba"))
    transaction = world.book(-amount, currency, "payout", payout.id, description="STRIPE PAYOUT")
    payout.balance_transaction = transaction.id
    for one in (*parts, transaction):
        one.payout = payout.id
    world.payouts[payout.id] = payout
    for what in ("created", "paid", "reconciliation_completed"):
        world.emit(f"payout.{what}", payout.to_json())
    return payout


def fail(world: World, payout: Payout) -> None:
    """Fail a payout and return the money to the balance."""
    if payout.status == "failed":
        raise refused("This payout failed already.")
    payout.status = "failed"
    payout.failure_code = "account_closed"
    payout.failure_message = "The bank account has been closed."
    payout.failure_balance_transaction = world.book(
        payout.amount,
        payout.currency,
        "payout_failure",
        payout.id,
        reporting_category="payout_reversal",
        description="STRIPE PAYOUT FAILURE",
    ).id
    world.emit("payout.failed", payout.to_json())
