"""What the admin API shows of the world."""

from dataclasses import asdict, fields
from typing import Any

from sandbox.api.bundles import shown_assignment
from sandbox.api.orders import shown_order
from sandbox.state.clock import written
from sandbox.state.lifecycle import of_esim
from sandbox.state.records import Delivery, Esim
from sandbox.state.world import World


def state(world: World) -> dict[str, Any]:
    """The whole at a glance."""
    frozen = world.clock.row.frozen_at is not None
    return {
        "clock": {"now": written(world.clock.now()), "frozen": frozen},
        "seed": world.settings.seed,
        "balance": world.account.balance,
        "currency": world.settings.currency,
        "counts": {table.kind: len(table) for table in world.tables()},
        "bundlesOnSale": len(world.catalogue),
        "callbacks": {
            "url": world.account.callback_url,
            "held": world.account.callbacks_held,
            "pending": sum(item.status == "pending" for item in world.deliveries),
        },
        "switches": world.switches.shown(),
    }


def ledger(world: World) -> list[dict[str, Any]]:
    """Every change of the balance, oldest first."""
    return [{**_members(entry), "at": written(entry.at)} for entry in world.ledger]


def orders(world: World) -> list[dict[str, Any]]:
    """All rows of the order history, oldest first."""
    return [shown_order(world, order, with_esims=True) for order in world.orders]


def esims(world: World) -> list[dict[str, Any]]:
    """All eSIMs with everything on them, oldest first."""
    return [esim(world, item) for item in world.esims]


def esim(world: World, item: Esim) -> dict[str, Any]:
    """One eSIM: both the provider's side and the phone's."""
    return {
        "iccid": item.iccid,
        "matchingId": item.matching_id,
        "customerRef": item.customer_ref,
        "state": item.state,
        "policySuspended": item.policy_suspended,
        "profileStatus": item.profile_status,
        "profileName": item.profile,
        "attachedAt": written(item.attached_at) if item.attached_at else None,
        "country": item.country,
        "deleteAt": written(item.delete_at) if item.delete_at else None,
        "assignments": [
            {"bundle": assignment.bundle, **shown_assignment(world, assignment)}
            for assignment in of_esim(world, item)
        ],
    }


def delivery(item: Delivery) -> dict[str, Any]:
    """A callback and what became of it."""
    return {**_members(item), "created_at": written(item.created_at)}


def _members(row: Any) -> dict[str, Any]:
    return {item.name: getattr(row, item.name) for item in fields(row)}


def logged(entry: Any) -> dict[str, Any]:
    """One request of the provider's API."""
    return {**asdict(entry), "at": written(entry.at)}
