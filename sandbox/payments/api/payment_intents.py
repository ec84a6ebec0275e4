"""The operations on PaymentIntents."""

from sandbox.payments.api.common_params import (
    FUTURE_USAGE,
    METADATA,
    METHOD_OPTIONS,
    METHOD_TYPES,
    REMOVED_METHOD_TYPES,
    SHIPPING,
    SUFFIX,
)
from sandbox.payments.api.listing import Listing
from sandbox.payments.api.operation import FLAG, Call, Operation, operation
from sandbox.payments.api.params import Group, Integer, Required, Spec, Text
from sandbox.payments.errors import Json, invalid
from sandbox.payments.state import confirming, intents

_CAPTURE = Text(choices=("automatic", "automatic_async", "manual"))
_SHARED: Spec = {
    "allowed_payment_method_types": METHOD_TYPES,
    "excluded_payment_method_types": METHOD_TYPES,
    "payment_method": Text(),
    "payment_method_options": METHOD_OPTIONS,
    "payment_method_types": REMOVED_METHOD_TYPES,
    "receipt_email": Text(clearable=True),
    "setup_future_usage": FUTURE_USAGE,
    "shipping": SHIPPING,
    "capture_method": _CAPTURE,
}
_DESCRIBED: Spec = {
    "customer": Text(),
    "description": Text(longest=1000, clearable=True),
    "metadata": METADATA,
    "statement_descriptor": Text(longest=22, clearable=True),
    "statement_descriptor_suffix": SUFFIX,
    "transfer_group": Text(),
}
_AT_CONFIRMATION: Spec = {
    "return_url": Text(),
    "off_session": FLAG,
    "error_on_requires_action": FLAG,
    "use_stripe_sdk": FLAG,
}
_CREATE: Spec = {
    **_SHARED,
    **_DESCRIBED,
    **_AT_CONFIRMATION,
    "amount": Required(Integer(1)),
    "currency": Required(Text()),
    "automatic_payment_methods": Group(
        {"enabled": Required(FLAG), "allow_redirects": Text(choices=("always", "never"))}
    ),
    "confirm": FLAG,
    "confirmation_method": Text(choices=("automatic", "manual")),
}
_UPDATE: Spec = {**_SHARED, **_DESCRIBED, "amount": Integer(1), "currency": Text()}
_CONFIRM: Spec = {**_SHARED, **_AT_CONFIRMATION}
_CAPTURED: Spec = {
    "amount_to_capture": Integer(1),
    "final_capture": FLAG,
    "metadata": METADATA,
    "statement_descriptor_suffix": SUFFIX,
}
_CANCEL: Spec = {
    "cancellation_reason": Text(
        choices=("abandoned", "duplicate", "fraudulent", "requested_by_customer")
    )
}


def _create(call: Call) -> Json:
    given = _AT_CONFIRMATION.keys() & call.params.keys()
    confirm = call.params.get("confirm", False)
    if given and not confirm:
        name = sorted(given)[0]
        raise invalid(f"The parameter {name} can only be used with confirm=true.", name)
    intent = intents.create(call.world, call.params)
    if not confirm:
        return intent.to_json()
    kept = {name: value for name, value in call.params.items() if name in _AT_CONFIRMATION}
    return confirming.confirm_by_server(call.world, intent.id, kept).to_json()


def _retrieve(call: Call) -> Json:
    secret = call.params.get("client_secret")
    intent = intents.find(call.world, call.id)
    if secret is not None and secret != intent.client_secret:
        raise invalid("The client_secret does not match the PaymentIntent.", "client_secret")
    return intent.to_json()


def _update(call: Call) -> Json:
    return intents.update(call.world, call.id, call.params).to_json()


def _confirm(call: Call) -> Json:
    return confirming.confirm_by_server(call.world, call.id, call.params).to_json()


def _capture(call: Call) -> Json:
    return intents.capture(call.world, call.id, call.params).to_json()


def _cancel(call: Call) -> Json:
    return intents.cancel(call.world, call.id, call.params).to_json()


KIND = "payment_intent"
OPERATIONS: list[Operation] = [
    operation("POST", "/payment_intents", KIND, _create, _CREATE),
    operation("GET", "/payment_intents/{}", KIND, _retrieve, {"client_secret": Text()}),
    operation("POST", "/payment_intents/{}", KIND, _update, _UPDATE),
    operation("POST", "/payment_intents/{}/confirm", KIND, _confirm, _CONFIRM),
    operation("POST", "/payment_intents/{}/capture", KIND, _capture, _CAPTURED),
    operation("POST", "/payment_intents/{}/cancel", KIND, _cancel, _CANCEL),
    Listing(
        "/payment_intents",
        KIND,
        lambda world: world.intents,
        lambda _world, one: one.to_json(),
        {"customer": (Text(), lambda one, value: one.customer == value)},
    ).operation(),
]
