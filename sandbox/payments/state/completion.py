"""Completes a Checkout Session once its PaymentIntent is paid or held."""

from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.world import World


def complete_session(world: World, intent: PaymentIntent) -> None:
    """Complete the Session to which a PaymentIntent belongs, if any."""
