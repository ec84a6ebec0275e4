"""Charges a card: declines, holds, captures, and the expiry of holds."""

from functools import partial
from typing import Any

from sandbox.payments.errors import ApiError, Json
from sandbox.payments.state import money
from sandbox.payments.state.after_payment import play_card
from sandbox.payments.state.cards import Decline
from sandbox.payments.state.charge import Charge
from sandbox.payments.state.clock import DAY, HOUR
from sandbox.payments.state.completion import complete_session
from sandbox.payments.state.methods import save_for
from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.payment_method import PaymentMethod
from sandbox.payments.state.world import AVAILABLE_AFTER, World

# How long a hold lasts for payments that the buyer started, and by Visa for those that the merchant started.
HOLD_SECONDS = 7 * DAY
VISA_OFF_SESSION_SECONDS = 4 * DAY + 18 * HOUR


def charge_card(
    world: World, intent: PaymentIntent, method: PaymentMethod, *, authenticated: bool
) -> None:
    """Charge or hold the amount; raise ApiError (402) if the card is declined."""
    decline = method.card.decline
    if decline and method.card.decline_needs_cvc and not method.cvc_given:
        decline = None
    charge = new_charge(world, intent, method, authenticated=authenticated)
    intent.next_action, intent.authentication = None, None
    if decline:
        charge.status, charge.decline = "failed", decline
        charge.description = intent.description
        world.emit("charge.failed", charge.to_json())
        raise fail(world, intent, method, decline, charge)
    intent.last_payment_error = None
    method.used = True
    if intent.customer and intent.saves_card() and method.customer is None:
        save_for(world, method, intent.customer)
    if intent.card_capture_method() == "manual":
        _hold(world, intent, charge)
    else:
        _charge_at_once(world, intent, charge)
    complete_session(world, intent)


def fail(
    world: World,
    intent: PaymentIntent,
    method: PaymentMethod,
    decline: Decline,
    charge: Charge | None = None,
) -> ApiError:
    """Record a failed attempt, and return the error for the caller of the API."""
    error = ApiError(402, decline.message, kind="card_error", code=decline.code, stored=True)
    details: Json = dict(error.body()["error"])
    if decline.decline_code:
        details["decline_code"] = decline.decline_code
    if decline.advice_code:
        details["advice_code"] = decline.advice_code
    if charge is not None:
        details["charge"] = charge.id
    details["payment_method"] = method.to_json()
    intent.last_payment_error = details
    intent.status = "requires_payment_method"
    intent.payment_method = None
    intent.next_action, intent.authentication = None, None
    world.emit("payment_intent.payment_failed", intent.to_json())
    extra: dict[str, Any] = {
        name: value
        for name, value in details.items()
        if name in ("decline_code", "advice_code", "charge", "payment_method")
    }
    error.extra = extra | {"payment_intent": intent.to_json()}
    return error


def capture_charge(world: World, intent: PaymentIntent, charge: Charge, amount: int) -> None:
    """Capture a hold; a smaller amount releases the rest without a refund."""
    charge.captured = True
    charge.amount_captured = amount
    intent.status = "succeeded"
    intent.amount_capturable = 0
    intent.amount_received = amount
    book_charge(world, charge)
    world.emit("charge.captured", charge.to_json())
    world.emit("payment_intent.succeeded", intent.to_json())
    play_card(world, charge)


def book_charge(world: World, charge: Charge) -> None:
    """Record the captured amount and its fee in the balance."""
    wait = 0 if charge.method.card.bypass_pending else AVAILABLE_AFTER
    charge.balance_transaction = world.book(
        charge.amount_captured,
        charge.currency,
        "charge",
        charge.id,
        fee=money.payment_fee(charge.amount_captured, charge.currency),
        available_on=world.now() + wait,
        description=charge.description,
    ).id


def new_charge(
    world: World, intent: PaymentIntent, method: PaymentMethod, *, authenticated: bool
) -> Charge:
    """Record an attempt, which counts as the latest charge of the PaymentIntent."""
    id_ = world.ids.new("ch")
    charge = Charge(
        id=id_,
        created=world.now(),
        amount=intent.amount,
        currency=intent.currency,
        payment_intent=intent.id,
        method=method,
        status="succeeded",
        authenticated=authenticated,
        customer=intent.customer,
        description=intent.description,
        receipt_email=intent.receipt_email,
        shipping=intent.shipping,
        statement_descriptor_suffix=intent.statement_descriptor_suffix,
        transfer_group=intent.transfer_group,
        metadata=dict(intent.metadata),
        receipt_url=f"{world.base_url}/receipts/{id_}",
    )
    world.charges[id_] = charge
    intent.latest_charge = id_
    return charge


def _hold(world: World, intent: PaymentIntent, charge: Charge) -> None:
    short = charge.method.card.brand == "visa" and intent.off_session
    charge.capture_before = world.now() + (VISA_OFF_SESSION_SECONDS if short else HOLD_SECONDS)
    intent.status = "requires_capture"
    intent.amount_capturable = charge.amount
    world.timers.add(charge.capture_before, partial(_expire_hold, world, intent, charge))
    world.emit("charge.succeeded", charge.to_json())
    world.emit("payment_intent.amount_capturable_updated", intent.to_json())


def _expire_hold(world: World, intent: PaymentIntent, charge: Charge) -> None:
    if intent.status != "requires_capture" or intent.latest_charge != charge.id:
        return
    intent.status = "canceled"
    intent.canceled_at = world.now()
    intent.cancellation_reason = "expired"
    intent.amount_capturable = 0
    world.emit("charge.expired", charge.to_json())
    world.emit("payment_intent.canceled", intent.to_json())


def _charge_at_once(world: World, intent: PaymentIntent, charge: Charge) -> None:
    charge.captured = True
    charge.amount_captured = charge.amount
    intent.status = "succeeded"
    intent.amount_received = charge.amount
    wait = world.switches.async_capture_seconds
    if intent.card_capture_method() == "automatic_async" and wait:
        # The balance transaction appears later, and `charge.updated` announces it.
        world.timers.add(world.clock.exact() + wait, partial(_book_later, world, charge))
    else:
        book_charge(world, charge)
    world.emit("charge.succeeded", charge.to_json())
    world.emit("payment_intent.succeeded", intent.to_json())
    play_card(world, charge)


def _book_later(world: World, charge: Charge) -> None:
    book_charge(world, charge)
    world.emit("charge.updated", charge.to_json(), {"balance_transaction": None})
