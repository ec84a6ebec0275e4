"""Payments by direct debit, whose result is known only days later."""

from sandbox.payments.errors import refused
from sandbox.payments.state import cards
from sandbox.payments.state.cards import Decline
from sandbox.payments.state.charging import book_charge, fail, new_charge
from sandbox.payments.state.completion import complete_session
from sandbox.payments.state.confirming import check_confirmable
from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.payment_method import PaymentMethod
from sandbox.payments.state.world import World

DEBIT = "sepa_debit"
RETURNED = Decline(
    "payment_intent_payment_attempt_failed",
    None,
    "The payment failed: the bank returned the debit.",
    None,
)


def start(world: World, intent: PaymentIntent) -> None:
    """Start a debit as the buyer: the PaymentIntent is `processing` until `settle` ends it."""
    check_confirmable(intent)
    if DEBIT not in intent.method_types():
        raise refused("Direct debits are not offered for this PaymentIntent.")
    method = PaymentMethod(
        world.ids.new("pm"), world.now(), cards.BY_METHOD["pm_card_visa"], 0, 0, False, kind=DEBIT
    )
    world.methods[method.id] = method
    intent.payment_method = method.id
    intent.last_payment_error, intent.next_action = None, None
    charge = new_charge(world, intent, method, authenticated=False)
    charge.status = "pending"
    charge.captured, charge.amount_captured = True, charge.amount
    intent.status = "processing"
    world.emit("charge.pending", charge.to_json())
    world.emit("payment_intent.processing", intent.to_json())
    complete_session(world, intent)


def settle(world: World, intent: PaymentIntent, *, succeeds: bool) -> None:
    """End a debit with its success or failure."""
    charge = world.charges.get(intent.latest_charge or "")
    if intent.status != "processing" or charge is None:
        raise refused("This PaymentIntent has no debit that is processing.")
    session = world.sessions.get(intent.session or "")
    if succeeds:
        charge.status = "succeeded"
        intent.status, intent.amount_received = "succeeded", charge.amount
        book_charge(world, charge)
        world.emit("charge.succeeded", charge.to_json())
        world.emit("payment_intent.succeeded", intent.to_json())
    else:
        charge.status, charge.decline = "failed", RETURNED
        charge.captured, charge.amount_captured = False, 0
        world.emit("charge.failed", charge.to_json())
        fail(world, intent, charge.method, RETURNED, charge)
    if session is not None:
        session.payment_status = "paid" if succeeds else "unpaid"
        what = "succeeded" if succeeds else "failed"
        world.emit(f"checkout.session.async_payment_{what}", session.to_json())
