"""The operations on events."""

from fnmatch import fnmatchcase

from sandbox.payments.api.listing import Listing
from sandbox.payments.api.operation import Call, Operation, operation
from sandbox.payments.api.params import Many, Text
from sandbox.payments.errors import Json, not_found
from sandbox.payments.state.clock import DAY
from sandbox.payments.state.events import Event
from sandbox.payments.state.world import World

# Stripe returns events of the last 30 days only.
_READABLE = 30 * DAY


def render(world: World, event: Event) -> Json:
    """Return an event with the number of deliveries that are still to be made."""
    return event.to_json(world.log.pending_of(event))


def _retrieve(call: Call) -> Json:
    event = _readable(call.world).get(call.id)
    if event is None:
        raise not_found("event", call.id)
    return render(call.world, event)


def _readable(world: World) -> dict[str, Event]:
    oldest = world.now() - _READABLE
    return {id_: event for id_, event in world.log.events.items() if event.created >= oldest}


OPERATIONS: list[Operation] = [
    operation("GET", "/events/{}", "event", _retrieve),
    Listing(
        "/events",
        "event",
        _readable,
        render,
        {
            "type": (Text(), lambda one, value: fnmatchcase(one.type, value)),
            "types": (Many(Text(), most=20), lambda one, value: one.type in value),
        },
    ).operation(),
]
