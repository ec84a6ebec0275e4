"""The operations on customers and PaymentMethods."""

from typing import Any

from sandbox.payments.api.common_params import ADDRESS, BILLING_DETAILS, METADATA, SHIPPING
from sandbox.payments.api.listing import Listing
from sandbox.payments.api.money_moved import equals
from sandbox.payments.api.operation import Call, Operation, operation
from sandbox.payments.api.params import Group, Many, Required, Spec, Text
from sandbox.payments.errors import Json
from sandbox.payments.state import methods
from sandbox.payments.state.metadata import merge_metadata
from sandbox.payments.state.world import World

_CUSTOMER: Spec = {
    "address": ADDRESS,
    "description": Text(clearable=True),
    "email": Text(longest=512, clearable=True),
    "name": Text(longest=256, clearable=True),
    "phone": Text(clearable=True),
    "shipping": SHIPPING,
    "preferred_locales": Many(Text()),
    "invoice_settings": Group({"default_payment_method": Text(clearable=True)}),
    "metadata": METADATA,
}


def _create(call: Call) -> Json:
    return methods.create_customer(call.world, call.params).to_json()


def _retrieve(call: Call) -> Json:
    return methods.find_customer(call.world, call.id, "id").to_json()


def _update(call: Call) -> Json:
    return methods.update_customer(call.world, call.id, call.params).to_json()


def _retrieve_method(call: Call) -> Json:
    return methods.find_method(call.world, call.id).to_json()


def _update_method(call: Call) -> Json:
    method = methods.find_method(call.world, call.id)
    if "metadata" in call.params:
        method.metadata = merge_metadata(method.metadata, call.params["metadata"])
    method.billing_details |= call.params.get("billing_details", {})
    call.world.emit("payment_method.updated", method.to_json(), {})
    return method.to_json()


def _attach(call: Call) -> Json:
    return methods.attach(call.world, call.id, call.params["customer"]).to_json()


def _detach(call: Call) -> Json:
    return methods.detach(call.world, call.id).to_json()


def _render(_world: World, one: Any) -> Json:
    rendered: Json = one.to_json()
    return rendered


KIND = "payment_method"
OPERATIONS: list[Operation] = [
    operation("POST", "/customers", "customer", _create, {**_CUSTOMER, "payment_method": Text()}),
    operation("GET", "/customers/{}", "customer", _retrieve),
    operation("POST", "/customers/{}", "customer", _update, _CUSTOMER),
    operation("GET", "/payment_methods/{}", KIND, _retrieve_method),
    operation(
        "POST",
        "/payment_methods/{}",
        KIND,
        _update_method,
        {"metadata": METADATA, "billing_details": BILLING_DETAILS},
    ),
    operation("POST", "/payment_methods/{}/attach", KIND, _attach, {"customer": Required(Text())}),
    operation("POST", "/payment_methods/{}/detach", KIND, _detach),
    Listing(
        "/customers",
        "customer",
        lambda world: world.customers,
        _render,
        {"email": equals("email")},
    ).operation(),
    Listing(
        "/payment_methods",
        KIND,
        # Only saved cards are listed.
        lambda world: {key: one for key, one in world.methods.items() if one.customer},
        _render,
        {"customer": equals("customer"), "type": (Text(), lambda _one, value: value == "card")},
    ).operation(),
]
