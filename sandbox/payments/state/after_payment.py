"""What the special test cards do after a payment: disputes and early fraud warnings."""

from sandbox.payments.state import disputes, warnings
from sandbox.payments.state.charge import Charge
from sandbox.payments.state.world import World


def play_card(world: World, charge: Charge) -> None:
    """Start what the card is for, once the payment was captured."""
    card = charge.method.card
    if card.warning:
        warnings.warn(world, charge, "made_with_stolen_card")
    if card.dispute_reason:
        # Several disputes share the amount.
        share = charge.amount_captured // card.disputes
        for _ in range(card.disputes):
            disputes.start(world, charge, card.dispute_reason, amount=share, inquiry=card.inquiry)
