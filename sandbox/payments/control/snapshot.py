"""Everything that the sandbox knows, for audits by tests."""

from collections import defaultdict
from typing import Any

from sandbox.payments.errors import Json
from sandbox.payments.state import disputes
from sandbox.payments.state.world import World


def snapshot(world: World) -> Json:
    """Return all objects and the totals of each currency."""
    return {
        "now": world.now(),
        "payment_intents": [one.to_json() for one in world.intents.values()],
        "charges": [one.to_json() for one in world.charges.values()],
        "checkout_sessions": [one.to_json() for one in world.sessions.values()],
        "refunds": [one.to_json() for one in world.refunds.values()],
        "balance_transactions": [one.to_json(world.now) for one in world.balance.values()],
        "disputes": [disputes.render(world, one) for one in world.disputes.values()],
        "early_fraud_warnings": [one.to_json() for one in world.warnings.values()],
        "reviews": [one.to_json() for one in world.reviews.values()],
        "payouts": [one.to_json() for one in world.payouts.values()],
        "customers": [one.to_json() for one in world.customers.values()],
        "payment_methods": [one.to_json() for one in world.methods.values()],
        "totals": totals(world),
        "events": len(world.log.events),
        "deliveries_waiting": len(world.log.waiting),
        "idempotency_keys": len(world.keys),
    }


def totals(world: World) -> dict[str, dict[str, int]]:
    """Return sums in minor units for each currency.

    `net` is what the merchant's balance gained: it equals the sum of all balance transactions' net.
    """
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def add(currency: str, name: str, amount: int) -> None:
        sums[currency][name] += amount

    for intent in world.intents.values():
        add(intent.currency, "held", intent.amount_capturable)
        add(intent.currency, "received", intent.amount_received)
    for charge in world.charges.values():
        if charge.status == "succeeded":
            add(charge.currency, "captured", charge.amount_captured)
        add(charge.currency, "refunded", charge.amount_refunded)
    for transaction in world.balance.values():
        add(transaction.currency, "fees", transaction.fee)
        add(transaction.currency, "net", transaction.net)
        add(transaction.currency, f"booked_{transaction.reporting_category}", transaction.amount)
    return {currency: dict(values) for currency, values in sums.items()}


def requests(world: World) -> list[dict[str, Any]]:
    """Return the last requests to the API, oldest first."""
    return list(world.requests)
