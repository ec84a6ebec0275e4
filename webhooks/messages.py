"""Translates events into their protos."""

from kit.values import timestamps
from protos.webhooks.v1 import webhooks_pb2 as pb
from webhooks.delivery_store import State
from webhooks.event_store import Event

STATES = {
    State.PENDING: pb.DELIVERY_STATE_PENDING,
    State.DELIVERED: pb.DELIVERY_STATE_DELIVERED,
    State.DEAD: pb.DELIVERY_STATE_DEAD,
    State.KEPT: pb.DELIVERY_STATE_KEPT,
    State.FOREIGN: pb.DELIVERY_STATE_FOREIGN,
}


def event_to_proto(event: Event) -> pb.Event:
    pending = event.state is State.PENDING
    return pb.Event(
        id=str(event.id),
        received_at=timestamps.to_proto(event.received_at),
        type=event.event_type,
        iccid=event.iccid or "",
        signed=event.signed,
        times_received=event.times_received,
        state=STATES[event.state],
        owner=event.owner or "",
        attempts=event.attempts,
        next_attempt_at=timestamps.to_proto(event.next_attempt_at) if pending else None,
        last_error=event.last_error,
        outcome=event.outcome,
        settled_at=timestamps.to_proto(event.settled_at),
    )
