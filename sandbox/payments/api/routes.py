"""All operations, and how ids are turned into objects."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.payments.api import after_sale, buyers, checkout, events, money_moved, payment_intents
from sandbox.payments.api.listing import page
from sandbox.payments.api.operation import Operation
from sandbox.payments.errors import Json
from sandbox.payments.state import disputes
from sandbox.payments.state.world import World

OPERATIONS: list[Operation] = [
    *payment_intents.OPERATIONS,
    *money_moved.OPERATIONS,
    *buyers.OPERATIONS,
    *checkout.OPERATIONS,
    *after_sale.OPERATIONS,
    *events.OPERATIONS,
]

_TABLES: dict[str, Callable[[World], Mapping[str, Any]]] = {
    "pi": lambda world: world.intents,
    "ch": lambda world: world.charges,
    "re": lambda world: world.refunds,
    "cs": lambda world: world.sessions,
    "cus": lambda world: world.customers,
    "pm": lambda world: world.methods,
    "issfr": lambda world: world.warnings,
    "po": lambda world: world.payouts,
    "prv": lambda world: world.reviews,
    "file": lambda world: world.files,
}


def find_operation(method: str, path: str) -> tuple[Operation, tuple[str, ...]] | None:
    """Return the operation of a request, and the ids in its path."""
    segments = path.split("/")
    for candidate in OPERATIONS:
        pattern = candidate.segments
        if candidate.method != method or len(pattern) != len(segments):
            continue
        if all(part in ("{}", given) for part, given in zip(pattern, segments, strict=True)):
            ids = [given for part, given in zip(pattern, segments, strict=True) if part == "{}"]
            return candidate, tuple(ids)
    return None


def render(world: World, id_: str) -> Json | None:
    """Return the object with this id, or None if there is none."""
    prefix = id_.partition("_")[0]
    if prefix == "txn":
        transaction = world.balance.get(id_)
        return transaction.to_json(world.now) if transaction else None
    if prefix == "dp":
        dispute = world.disputes.get(id_)
        return disputes.render(world, dispute) if dispute else None
    one = _TABLES[prefix](world).get(id_) if prefix in _TABLES else None
    return None if one is None else one.to_json()


def include(world: World, name: str, id_: str) -> Json:
    """Return a list that an object contains only when it is expanded."""
    if name == "line_items":
        return checkout.line_items(world, id_, {})
    chosen = [one for one in reversed(world.refunds.values()) if one.charge == id_]
    return page(chosen, {}, "refund", f"/v1/charges/{id_}/refunds", lambda one: one.to_json())
