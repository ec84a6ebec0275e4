"""Creates, changes, captures and cancels PaymentIntents."""

from collections.abc import Mapping
from typing import Any

from sandbox.payments.errors import ApiError, invalid, not_found, refused
from sandbox.payments.state import money
from sandbox.payments.state.charging import capture_charge
from sandbox.payments.state.metadata import merge_metadata
from sandbox.payments.state.methods import check_reusable, find_customer, find_method
from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.world import World

CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
)
# What a caller may still change once the money is held or the payment has ended.
_ALWAYS_CHANGEABLE = {"metadata", "description", "receipt_email", "shipping", "transfer_group"}
_CHANGEABLE_STATUSES = ("requires_payment_method", "requires_confirmation", "requires_action")
_COPIED = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor_suffix",
    "transfer_group",
    "capture_method",
    "confirmation_method",
)


def find(world: World, id_: str) -> PaymentIntent:
    """Return a PaymentIntent; raise ApiError if it is unknown."""
    if (intent := world.intents.get(id_)) is None:
        raise not_found("payment_intent", id_, "intent")
    return intent


def unexpected_state(intent: PaymentIntent, message: str) -> ApiError:
    """Return the error of an operation that the status doesn't permit; it embeds the PaymentIntent."""
    return refused(message, "payment_intent_unexpected_state", payment_intent=intent.to_json())


def create(world: World, params: Mapping[str, Any], session: str | None = None) -> PaymentIntent:
    """Create a PaymentIntent, without confirming it."""
    currency = money.check_currency(params["currency"])
    money.check_amount(params["amount"], currency)
    _check_method_types(params)
    if customer := params.get("customer"):
        find_customer(world, customer)
    id_ = world.ids.new("pi")
    intent = PaymentIntent(
        id=id_,
        created=world.now(),
        amount=params["amount"],
        currency=currency,
        client_secret=world.ids.client_secret(id_),
        customer=customer,
        session=session,
    )
    _set_method_types(intent, params)
    _change(intent, params)
    if not intent.method_types():
        raise invalid("No payment method type is left to offer", "allowed_payment_method_types")
    if method := params.get("payment_method"):
        _set_method(world, intent, method)
    world.intents[id_] = intent
    world.emit("payment_intent.created", intent.to_json())
    return intent


def update(world: World, id_: str, params: Mapping[str, Any]) -> PaymentIntent:
    """Change a PaymentIntent; once money is held, only its descriptive fields."""
    intent = find(world, id_)
    wanted = {name for name in params if name != "expand"}
    if intent.status not in _CHANGEABLE_STATUSES and wanted - _ALWAYS_CHANGEABLE:
        names = ", ".join(sorted(wanted - _ALWAYS_CHANGEABLE))
        raise unexpected_state(
            intent,
            f"This PaymentIntent's {names} could not be updated because it has a status of "
            f"{intent.status}. You may only update the {names} of a PaymentIntent with one of the "
            f"following statuses: {', '.join(_CHANGEABLE_STATUSES)}.",
        )
    currency = money.check_currency(params.get("currency", intent.currency))
    amount = params.get("amount", intent.amount)
    if intent.status in _CHANGEABLE_STATUSES:
        money.check_amount(amount, currency)
    _check_method_types(params)
    if customer := params.get("customer"):
        find_customer(world, customer)
        intent.customer = customer
    if (amount, currency) != (intent.amount, intent.currency) and intent.next_action:
        intent.status, intent.next_action, intent.authentication = (
            "requires_confirmation",
            None,
            None,
        )
    intent.amount, intent.currency = amount, currency
    if wanted & {"allowed_payment_method_types", "excluded_payment_method_types"}:
        _set_method_types(intent, params)
    _change(intent, params)
    intent.last_payment_error = None
    if method := params.get("payment_method"):
        _set_method(world, intent, method)
    return intent


def capture(world: World, id_: str, params: Mapping[str, Any]) -> PaymentIntent:
    """Capture a held payment, in full or in part; the rest is released."""
    intent = find(world, id_)
    if intent.status != "requires_capture" or intent.latest_charge is None:
        raise unexpected_state(
            intent,
            f"This PaymentIntent could not be captured because it has a status of {intent.status}. Only a "
            "PaymentIntent with one of the following statuses may be captured: requires_capture.",
        )
    amount = params.get("amount_to_capture", intent.amount_capturable)
    if amount > intent.amount_capturable:
        raise ApiError(
            400,
            f"The amount_to_capture ({amount}) is greater than the amount that can be captured "
            f"({intent.amount_capturable}).",
            code="amount_too_large",
            param="amount_to_capture",
            stored=True,
        )
    if params.get("final_capture") is False:
        raise refused("This PaymentIntent is not eligible for multicapture.", param="final_capture")
    if "metadata" in params:
        intent.metadata = merge_metadata(intent.metadata, params["metadata"])
    if "statement_descriptor_suffix" in params:
        intent.statement_descriptor_suffix = params["statement_descriptor_suffix"]
    capture_charge(world, intent, world.charges[intent.latest_charge], amount)
    return intent


def cancel(world: World, id_: str, params: Mapping[str, Any]) -> PaymentIntent:
    """Cancel a PaymentIntent that has not succeeded; a hold is released without a refund."""
    intent = find(world, id_)
    if intent.status not in CANCELABLE:
        raise unexpected_state(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent.status}. Only a "
            "PaymentIntent with one of the following statuses may be canceled: "
            f"{', '.join(CANCELABLE)}.",
        )
    if intent.session and intent.status != "requires_capture":
        raise unexpected_state(
            intent,
            "You cannot cancel this PaymentIntent because it was created by a Checkout Session. Expire "
            "the Checkout Session instead.",
        )
    end(world, intent, params.get("cancellation_reason"))
    return intent


def end(world: World, intent: PaymentIntent, reason: Any) -> None:
    """Cancel a PaymentIntent without checks."""
    intent.status = "canceled"
    intent.canceled_at = world.now()
    intent.cancellation_reason = reason
    intent.amount_capturable = 0
    intent.next_action, intent.authentication = None, None
    world.emit("payment_intent.canceled", intent.to_json())


def _check_method_types(params: Mapping[str, Any]) -> None:
    others = {
        "excluded_payment_method_types",
        "automatic_payment_methods",
        "payment_method_configuration",
    } & params.keys()
    if "allowed_payment_method_types" in params and others:
        name = sorted(others)[0]
        message = (
            f"You may only specify one of these parameters: allowed_payment_method_types, {name}."
        )
        raise invalid(message, name, "parameters_exclusive")
    if params.get("statement_descriptor"):
        message = (
            "The statement_descriptor parameter is not supported for card payments. Use "
            "statement_descriptor_suffix instead."
        )
        raise invalid(message, "statement_descriptor", "payment_intent_invalid_parameter")


def _set_method_types(intent: PaymentIntent, params: Mapping[str, Any]) -> None:
    intent.allowed_payment_method_types = params.get("allowed_payment_method_types") or None
    intent.excluded_payment_method_types = params.get("excluded_payment_method_types") or None
    automatic = params.get("automatic_payment_methods", {"enabled": True})
    if intent.allowed_payment_method_types is None and automatic["enabled"]:
        intent.automatic_payment_methods = {"allow_redirects": "always"} | automatic
    else:
        intent.automatic_payment_methods = None


def _change(intent: PaymentIntent, params: Mapping[str, Any]) -> None:
    for name in _COPIED:
        if name in params:
            setattr(intent, name, params[name])
    if "metadata" in params:
        intent.metadata = merge_metadata(intent.metadata, params["metadata"])
    if card := (params.get("payment_method_options") or {}).get("card"):
        stored = intent.payment_method_options.setdefault("card", {})
        stored.update(card)
        if stored.get("capture_method") is None:
            stored.pop("capture_method", None)


def _set_method(world: World, intent: PaymentIntent, id_: str) -> None:
    method = find_method(world, id_)
    check_reusable(method)
    if method.customer is not None and method.customer != intent.customer:
        raise invalid(
            "The PaymentMethod belongs to a Customer; include that Customer in the `customer` parameter "
            "of the PaymentIntent.",
            "payment_method",
        )
    intent.payment_method = method.id
    intent.next_action, intent.authentication = None, None
    intent.status = "requires_confirmation"


def use_method(world: World, intent: PaymentIntent, id_: str) -> None:
    """Set the card with which the PaymentIntent is paid next."""
    _set_method(world, intent, id_)


def apply_confirmation_params(intent: PaymentIntent, params: Mapping[str, Any]) -> None:
    """Apply the fields that a confirmation may change."""
    _check_method_types(params)
    if "allowed_payment_method_types" in params or "excluded_payment_method_types" in params:
        _set_method_types(intent, params)
    _change(intent, params)
