"""Completes a Checkout Session once its PaymentIntent is paid or held."""

from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.world import World


def complete_session(world: World, intent: PaymentIntent) -> None:
    """Complete the Session to which a PaymentIntent belongs, if any.

    With manual capture it is complete but unpaid: the PaymentIntent says that the amount is held.
    """
    if intent.session is None:
        return
    session = world.sessions[intent.session]
    session.status = "complete"
    if intent.status == "succeeded":
        session.payment_status = "paid"
    world.emit("checkout.session.completed", session.to_json())
