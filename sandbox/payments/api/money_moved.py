"""The operations on charges, refunds and balance transactions."""

from typing import Any

from sandbox.payments.api.common_params import METADATA, SHIPPING
from sandbox.payments.api.listing import Keep, Listing
from sandbox.payments.api.operation import Call, Operation, operation
from sandbox.payments.api.params import Group, Integer, Kind, Spec, Text
from sandbox.payments.errors import Json, not_found
from sandbox.payments.state import refunds
from sandbox.payments.state.charge import Charge
from sandbox.payments.state.metadata import merge_metadata
from sandbox.payments.state.world import World

_REFUND: Spec = {
    "amount": Integer(1),
    "charge": Text(),
    "payment_intent": Text(),
    "reason": Text(choices=("duplicate", "fraudulent", "requested_by_customer")),
    "metadata": METADATA,
    "instructions_email": Text(),
}
_CHARGE: Spec = {
    "description": Text(clearable=True),
    "metadata": METADATA,
    "receipt_email": Text(),
    "shipping": SHIPPING,
    "fraud_details": Group({"user_report": Text(choices=("fraudulent", "safe"), clearable=True)}),
}


def equals(name: str) -> tuple[Kind, Keep]:
    """Return a filter for objects whose attribute has the given value."""
    return Text(), lambda one, value: getattr(one, name) == value


def find_charge(world: World, id_: str) -> Charge:
    """Return a charge; raise ApiError if it is unknown."""
    if (charge := world.charges.get(id_)) is None:
        raise not_found("charge", id_)
    return charge


def _retrieve_charge(call: Call) -> Json:
    return find_charge(call.world, call.id).to_json()


def _update_charge(call: Call) -> Json:
    charge = find_charge(call.world, call.id)
    for name in ("description", "receipt_email", "shipping"):
        if name in call.params:
            setattr(charge, name, call.params[name])
    if "metadata" in call.params:
        charge.metadata = merge_metadata(charge.metadata, call.params["metadata"])
    if "fraud_details" in call.params:
        charge.fraud_reported = call.params["fraud_details"].get("user_report") == "fraudulent"
    call.world.emit("charge.updated", charge.to_json(), {})
    return charge.to_json()


def _create_refund(call: Call) -> Json:
    return refunds.create(call.world, call.params).to_json()


def _retrieve_refund(call: Call) -> Json:
    return refunds.find(call.world, call.id).to_json()


def _update_refund(call: Call) -> Json:
    return refunds.update(call.world, call.id, call.params).to_json()


def _cancel_refund(call: Call) -> Json:
    return refunds.cancel(call.world, call.id).to_json()


def _retrieve_transaction(call: Call) -> Json:
    if (transaction := call.world.balance.get(call.id)) is None:
        raise not_found("balance_transaction", call.id)
    return transaction.to_json(call.world.now)


def _balance(call: Call) -> Json:
    now = call.world.now()
    sums: dict[str, dict[str, int]] = {}
    for one in call.world.balance.values():
        by_status = sums.setdefault(one.currency, {"available": 0, "pending": 0})
        by_status["available" if one.available_on <= now else "pending"] += one.net
    balance: Json = {"object": "balance", "connect_reserved": [], "livemode": False}
    for status in ("available", "pending"):
        balance[status] = [
            {"amount": by[status], "currency": currency, "source_types": {"card": by[status]}}
            for currency, by in sums.items()
        ]
    return balance


def _render(_world: World, one: Any) -> Json:
    rendered: Json = one.to_json()
    return rendered


OPERATIONS: list[Operation] = [
    operation("GET", "/charges/{}", "charge", _retrieve_charge),
    operation("POST", "/charges/{}", "charge", _update_charge, _CHARGE),
    operation("POST", "/refunds", "refund", _create_refund, _REFUND),
    operation("GET", "/refunds/{}", "refund", _retrieve_refund),
    operation("POST", "/refunds/{}", "refund", _update_refund, {"metadata": METADATA}),
    operation("POST", "/refunds/{}/cancel", "refund", _cancel_refund),
    operation("GET", "/balance_transactions/{}", "balance_transaction", _retrieve_transaction),
    operation("GET", "/balance", "balance", _balance),
    Listing(
        "/charges",
        "charge",
        lambda world: world.charges,
        _render,
        {name: equals(name) for name in ("customer", "payment_intent", "transfer_group")},
    ).operation(),
    Listing(
        "/refunds",
        "refund",
        lambda world: world.refunds,
        _render,
        {name: equals(name) for name in ("charge", "payment_intent")},
    ).operation(),
    Listing(
        "/balance_transactions",
        "balance_transaction",
        lambda world: world.balance,
        lambda world, one: one.to_json(world.now),
        {name: equals(name) for name in ("source", "type", "currency", "payout")},
    ).operation(),
]
