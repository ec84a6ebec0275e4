"""JSON views of the world for the admin API."""

from dataclasses import asdict, fields
from typing import Any

from sandbox.api.bundles import assignment_json
from sandbox.api.orders import order_json
from sandbox.state.clock import written
from sandbox.state.lifecycle import of_esim
from sandbox.state.records import Delivery, Esim
from sandbox.state.world import World


def state(world: World) -> dict[str, Any]:
    """Return a summary."""
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
        "switches": world.switches.to_json(),
    }


def ledger(world: World) -> list[dict[str, Any]]:
    """Every change of the balance, oldest first."""
    return [{**_members(entry), "at": written(entry.at)} for entry in world.ledger]


def orders(world: World) -> list[dict[str, Any]]:
    """All rows of the order history, oldest first."""
    return [order_json(world, order, with_esims=True) for order in world.orders]


def esims(world: World) -> list[dict[str, Any]]:
    """All eSIMs with everything on them, oldest first."""
    return [esim(world, item) for item in world.esims]


def esim(world: World, item: Esim) -> dict[str, Any]:
    """Return one eSIM with the provider's and the phone's state."""
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
            {"bundle": assignment.bundle, **assignment_json(world, assignment)}
            for assignment in of_esim(world, item)
        ],
    }


def delivery(item: Delivery) -> dict[str, Any]:
    """Return a callback with its delivery status."""
    return {**_members(item), "created_at": written(item.created_at)}


def rates(world: World) -> dict[str, Any]:
    """Return what the file of exchange rates contains."""
    daily = world.daily_rates
    return {
        "day": daily.day or world.machine_day().isoformat(),
        "rates": {item.currency: item.rate for item in daily.rates},
        "content": daily.content,
        "status": daily.status,
    }


def _members(row: Any) -> dict[str, Any]:
    return {item.name: getattr(row, item.name) for item in fields(row)}


def logged(entry: Any) -> dict[str, Any]:
    """Return a logged request of the provider's API."""
    return {**asdict(entry), "at": written(entry.at)}
