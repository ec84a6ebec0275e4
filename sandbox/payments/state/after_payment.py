"""What the special test cards do after a payment: disputes and early fraud warnings."""

from sandbox.payments.state.charge import Charge
from sandbox.payments.state.world import World


def play_card(world: World, charge: Charge) -> None:
    """Start what the card is for, once the payment was captured."""
