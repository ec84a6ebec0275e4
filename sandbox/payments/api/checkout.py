"""The operations on Checkout Sessions."""

from typing import Any

from sandbox.payments.api.common_params import (
    FUTURE_USAGE,
    METADATA,
    METHOD_OPTIONS,
    METHOD_TYPES,
    REMOVED_METHOD_TYPES,
    SHIPPING,
    SUFFIX,
)
from sandbox.payments.api.listing import Listing, page
from sandbox.payments.api.money_moved import equals
from sandbox.payments.api.operation import FLAG, PAGING, Call, Operation, operation
from sandbox.payments.api.params import Group, Integer, Kind, Many, Required, Spec, Text
from sandbox.payments.errors import Json
from sandbox.payments.state import sessions
from sandbox.payments.state.metadata import merge_metadata
from sandbox.payments.state.world import World

_PRODUCT: Kind = Group(
    {
        "name": Required(Text()),
        "description": Text(),
        "images": Many(Text(), most=8),
        "metadata": METADATA,
        "tax_code": Text(),
    }
)
_LINE_ITEM: Kind = Group(
    {
        "price_data": Required(
            Group(
                {
                    "currency": Required(Text()),
                    "unit_amount": Required(Integer(0)),
                    "product": Text(),
                    "product_data": _PRODUCT,
                    "tax_behavior": Text(choices=("exclusive", "inclusive", "unspecified")),
                }
            )
        ),
        "quantity": Integer(1, 999_999),
    }
)
_INTENT_DATA: Kind = Group(
    {
        "capture_method": Text(choices=("automatic", "automatic_async", "manual")),
        "description": Text(longest=1000),
        "metadata": METADATA,
        "receipt_email": Text(),
        "setup_future_usage": FUTURE_USAGE,
        "shipping": SHIPPING,
        "statement_descriptor_suffix": SUFFIX,
        "transfer_group": Text(),
    }
)
_CREATE: Spec = {
    "mode": Required(Text(choices=("payment",))),
    "line_items": Required(Many(_LINE_ITEM)),
    "success_url": Required(Text()),
    "cancel_url": Text(),
    "client_reference_id": Text(longest=200),
    "customer": Text(),
    "customer_email": Text(longest=800),
    "customer_creation": Text(choices=("always", "if_required")),
    "expires_at": Integer(0),
    "locale": Text(longest=10),
    "metadata": METADATA,
    "payment_intent_data": _INTENT_DATA,
    "payment_method_options": METHOD_OPTIONS,
    "payment_method_types": REMOVED_METHOD_TYPES,
    "allowed_payment_method_types": METHOD_TYPES,
    "excluded_payment_method_types": METHOD_TYPES,
    "adaptive_pricing": Group({"enabled": FLAG}),
    "automatic_tax": Group({"enabled": Required(FLAG)}),
    "saved_payment_method_options": Group(
        {
            "allow_redisplay_filters": Many(Text(choices=("always", "limited", "unspecified"))),
            "payment_method_remove": Text(choices=("disabled", "enabled")),
            "payment_method_save": Text(choices=("disabled", "enabled")),
        }
    ),
    "submit_type": Text(choices=("auto", "book", "donate", "pay", "subscribe")),
    "ui_mode": Text(choices=("hosted_page",)),
}


def _create(call: Call) -> Json:
    return sessions.create(call.world, call.params).to_json()


def _retrieve(call: Call) -> Json:
    return sessions.find(call.world, call.id).to_json()


def _update(call: Call) -> Json:
    session = sessions.find(call.world, call.id)
    if "metadata" in call.params:
        session.metadata = merge_metadata(session.metadata, call.params["metadata"])
    return session.to_json()


def _expire(call: Call) -> Json:
    return sessions.expire(call.world, call.id).to_json()


def _line_items(call: Call) -> Json:
    return line_items(call.world, call.id, call.params)


def line_items(world: World, id_: str, params: dict[str, Any] | Any) -> Json:
    """Return the line items of a Session as a list."""
    items = sessions.find(world, id_).line_items
    url = f"/v1/checkout/sessions/{id_}/line_items"
    return page(list(items), params, "item", url, lambda one: one.to_json())


KIND = "checkout.session"
OPERATIONS: list[Operation] = [
    operation("POST", "/checkout/sessions", KIND, _create, _CREATE),
    operation("GET", "/checkout/sessions/{}", KIND, _retrieve),
    operation("POST", "/checkout/sessions/{}", KIND, _update, {"metadata": METADATA}),
    operation("POST", "/checkout/sessions/{}/expire", KIND, _expire),
    Operation("GET", "/checkout/sessions/{}/line_items", "item", _line_items, PAGING, lists=True),
    Listing(
        "/checkout/sessions",
        KIND,
        lambda world: world.sessions,
        lambda _world, one: one.to_json(),
        {name: equals(name) for name in ("customer", "payment_intent", "status")},
    ).operation(),
]
