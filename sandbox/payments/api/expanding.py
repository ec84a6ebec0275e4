"""Replaces ids by the objects that `expand[]` names."""

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.payments.errors import Json, invalid
from sandbox.payments.state.world import World

# The fields of each object that can be expanded; an empty kind means any object.
EXPANDABLE: dict[str, dict[str, str]] = {
    "payment_intent": {
        "latest_charge": "charge",
        "customer": "customer",
        "payment_method": "payment_method",
        "review": "review",
    },
    "review": {"charge": "charge", "payment_intent": "payment_intent"},
    "charge": {
        "review": "review",
        "balance_transaction": "balance_transaction",
        "customer": "customer",
        "payment_intent": "payment_intent",
        "refunds": "refund",
        "failure_balance_transaction": "balance_transaction",
    },
    "refund": {
        "balance_transaction": "balance_transaction",
        "charge": "charge",
        "payment_intent": "payment_intent",
        "failure_balance_transaction": "balance_transaction",
        "customer": "customer",
    },
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "balance_transaction": {"source": ""},
    "checkout.session": {
        "payment_intent": "payment_intent",
        "customer": "customer",
        "line_items": "item",
    },
    "payment_method": {"customer": "customer"},
    "radar.early_fraud_warning": {"charge": "charge", "payment_intent": "payment_intent"},
    "payout": {
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
    },
}
_DEEPEST = 4
Render = Callable[[World, str], Json | None]
Include = Callable[[World, str, str], Json]


def check(kind: str, paths: Sequence[str], *, lists: bool) -> None:
    """Raise ApiError for a path that can't be expanded."""
    for path in paths:
        parts = path.split(".")
        if lists:
            if parts[0] != "data":
                raise _not_expandable(path)
            parts = parts[1:]
        if not 1 <= len(parts) <= _DEEPEST:
            raise _not_expandable(path)
        current = kind
        for part in parts:
            fields = EXPANDABLE.get(current, {})
            if current and part not in fields:
                raise _not_expandable(path)
            current = fields.get(part, "")


def expand(
    world: World, value: Json, paths: Sequence[str], render: Render, include: Include
) -> None:
    """Expand an object or a list in place."""
    for path in paths:
        parts = path.split(".")
        if parts[0] == "data" and value.get("object") == "list":
            for one in value["data"]:
                _expand(world, one, parts[1:], render, include)
        else:
            _expand(world, value, parts, render, include)


def _expand(world: World, value: Any, parts: list[str], render: Render, include: Include) -> None:
    if not parts or not isinstance(value, dict):
        return
    name = parts[0]
    if name in ("refunds", "line_items") and name not in value:
        value[name] = include(world, name, value["id"])
        return
    inner = value.get(name)
    if isinstance(inner, str):
        inner = render(world, inner)
        if inner is None:
            return
        value[name] = inner
    _expand(world, inner, parts[1:], render, include)


def _not_expandable(path: str) -> Exception:
    return invalid(
        f"This property cannot be expanded ({path}). You may want to try expanding "
        f"'data.{path}' if you are listing, or check the spelling.",
        "expand",
    )
