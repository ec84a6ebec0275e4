"""The kinds of timers, and the function that each runs."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sandbox.state import lifecycle, ordering
from sandbox.state.world import World

TIMERS: Mapping[str, Callable[[World, str, datetime], None]] = {
    "ready": lifecycle.on_ready,
    "begin": lifecycle.on_begin,
    "end": lifecycle.on_end,
    "lapse": lifecycle.on_lapse,
    "inactive": lifecycle.on_inactive,
    "delete": lifecycle.on_delete,
    "complete": ordering.on_complete,
}


def settle(world: World) -> datetime:
    """Run all timers that are due, in the order of their time; return the current time."""
    now = world.clock.now()
    while (timer := world.due_timer(now)) is not None:
        due, kind, key = timer
        TIMERS[kind](world, key, due)
    return now


def set_timers(world: World) -> None:
    """Set all timers from the tables, after they were loaded from a file."""
    for item in world.assignments:
        if item.state == "processing":
            world.at(item.ready_at, "ready", item.id)
        elif item.state == "queued":
            world.at(item.assigned_at + lifecycle.LAPSE, "lapse", item.id)
            if item.begins_at is not None:
                world.at(item.begins_at, "begin", item.id)
        elif item.state in ("active", "depleted") and item.ends_at:
            world.at(item.ends_at, "end", item.id)
    for esim in world.esims:
        if esim.delete_at is not None:
            world.at(esim.delete_at, "delete", esim.iccid)
        elif esim.state != "deactivated":
            world.at(esim.last_activity + lifecycle.INACTIVITY, "inactive", esim.iccid)
    for order in world.orders:
        if order.pending_until is not None:
            world.at(order.pending_until, "complete", order.reference)
