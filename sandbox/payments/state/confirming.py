"""Confirms PaymentIntents, with 3-D Secure if the card requires it."""

from collections.abc import Mapping
from typing import Any

from sandbox.payments.errors import ApiError, invalid, not_found
from sandbox.payments.state.cards import AUTHENTICATION_REQUIRED, Decline
from sandbox.payments.state.charging import charge_card, fail
from sandbox.payments.state.intents import (
    apply_confirmation_params,
    find,
    unexpected_state,
    use_method,
)
from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.payment_method import PaymentMethod
from sandbox.payments.state.world import World

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    None,
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new "
    "PaymentMethod to attempt to fulfill this PaymentIntent again.",
    None,
)


def check_confirmable(intent: PaymentIntent) -> None:
    """Raise ApiError if the status doesn't permit a confirmation."""
    if intent.status not in CONFIRMABLE:
        if intent.status == "succeeded":
            because = "it has already succeeded after being previously confirmed"
        else:
            because = f"it has a status of {intent.status}"
        raise unexpected_state(
            intent,
            f"You cannot confirm this PaymentIntent because {because}. Only a PaymentIntent with one of "
            f"the following statuses may be confirmed: {', '.join(CONFIRMABLE)}.",
        )


def confirm_by_server(world: World, id_: str, params: Mapping[str, Any]) -> PaymentIntent:
    """Confirm with the secret key; raise ApiError, also for a declined card."""
    intent = find(world, id_)
    check_confirmable(intent)
    if intent.session:
        raise unexpected_state(
            intent, "You cannot confirm a PaymentIntent that was created by a Checkout Session."
        )
    automatic = intent.automatic_payment_methods
    redirects = automatic is not None and automatic["allow_redirects"] == "always"
    if redirects and not params.get("return_url") and world.switches.strict_return_url:
        message = (
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because "
            "some of these payment methods might redirect your customer off of your page, you must provide "
            "a `return_url`. If you don't want to accept redirect-based payment methods, set "
            "`automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` "
            "to `never` when creating Setup Intents and Payment Intents."
        )
        raise invalid(message)
    apply_confirmation_params(intent, params)
    return confirm(world, intent, params)


def confirm(world: World, intent: PaymentIntent, params: Mapping[str, Any]) -> PaymentIntent:
    """Attempt the payment with the given or the stored card; raise ApiError if it is declined."""
    check_confirmable(intent)
    authenticated = intent.authentication == "done" and "payment_method" not in params
    if id_ := params.get("payment_method"):
        use_method(world, intent, id_)
    if intent.payment_method is None:
        raise unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either "
            "update the PaymentIntent with a payment method and then confirm it again, or confirm it again "
            "directly with a payment method or ConfirmationToken.",
        )
    intent.return_url = params.get("return_url")
    intent.off_session = bool(params.get("off_session"))
    method = world.methods[intent.payment_method]
    if authenticated or not _authentication_required(intent, method):
        charge_card(world, intent, method, authenticated=authenticated)
        return intent
    if intent.off_session or params.get("error_on_requires_action"):
        raise fail(world, intent, method, AUTHENTICATION_REQUIRED)
    _require_authentication(world, intent, use_sdk=bool(params.get("use_stripe_sdk")))
    return intent


def _authentication_required(intent: PaymentIntent, method: PaymentMethod) -> bool:
    wanted = intent.card_option("request_three_d_secure")
    if method.card.authentication == "lookup_error":
        # The lookup fails, and the bank then declines the payment.
        return False
    if method.card.authentication == "required" and method.customer and intent.off_session:
        # The buyer authenticated when the card was saved.
        return False
    return method.card.authentication != "none" or wanted in ("any", "challenge")


def _require_authentication(world: World, intent: PaymentIntent, *, use_sdk: bool) -> None:
    token = world.ids.text(32)
    url = f"{world.base_url}/authenticate/{token}"
    intent.authentication = token
    intent.status = "requires_action"
    if intent.return_url and not use_sdk:
        details = {"url": url, "return_url": intent.return_url}
        intent.next_action = {"type": "redirect_to_url", "redirect_to_url": details}
    else:
        # The library in the browser would show this page in a frame.
        sdk = {"type": "three_d_secure_redirect", "stripe_js": url, "source": f"src_{token}"}
        intent.next_action = {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    world.emit("payment_intent.requires_action", intent.to_json())


def by_token(world: World, token: str) -> PaymentIntent:
    """Return the PaymentIntent that waits for this authentication; raise ApiError if none does."""
    for intent in world.intents.values():
        if intent.status == "requires_action" and intent.authentication == token:
            return intent
    raise not_found("authentication", token)


def authenticate(world: World, intent: PaymentIntent, *, succeeds: bool) -> None:
    """End 3-D Secure; raise ApiError if it failed or the card is then declined."""
    if intent.status != "requires_action" or intent.payment_method is None:
        raise unexpected_state(intent, "This PaymentIntent does not wait for an authentication.")
    method = world.methods[intent.payment_method]
    if not succeeds:
        error = fail(world, intent, method, AUTHENTICATION_FAILED)
        raise ApiError(
            400, error.message, code=error.code, stored=True, payment_intent=intent.to_json()
        )
    if intent.confirmation_method == "manual":
        # The server confirms once more, which then charges the card.
        intent.status, intent.next_action = "requires_confirmation", None
        intent.authentication = "done"
        return
    charge_card(world, intent, method, authenticated=True)
