"""Delivers events to the services that own them, over gRPC."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import grpc

from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2_grpc
from protos.esims.v1 import events_pb2 as esims_pb
from protos.orders.v1 import events_pb2 as orders_pb
from protos.orders.v1 import orders_pb2_grpc
from webhooks.callback import Event

# Seconds that an owner has for one batch: each event is a few statements there.
TIMEOUT = 5.0


class Disposition(StrEnum):
    """What follows from an owner's outcome of an event."""

    DONE = "DONE"
    UNKNOWN = "UNKNOWN"  # its eSIM or order isn't registered, or not yet
    REFUSED = "REFUSED"  # another attempt would have the same outcome
    FAILED = "FAILED"


DISPOSITIONS = {
    "APPLIED": Disposition.DONE,
    "UNCHANGED": Disposition.DONE,
    "READ_QUEUED": Disposition.DONE,
    "UNKNOWN_ESIM": Disposition.UNKNOWN,
    "UNKNOWN_ORDER": Disposition.UNKNOWN,
    "REFUSED": Disposition.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """An owner's result for one event; `name` and `detail` are the owner's own words."""

    disposition: Disposition
    name: str
    detail: str = ""


class Owners:
    """The services that own events, called with the service role key."""

    def __init__(
        self, esims: grpc.aio.Channel, orders: grpc.aio.Channel, service_role_key: str
    ) -> None:
        self._esims = esims_pb2_grpc.ESIMsServiceStub(esims)
        self._orders = orders_pb2_grpc.OrdersServiceStub(orders)
        self._key = service_role_key

    async def deliver(self, events: Sequence[Event]) -> dict[UUID, Outcome]:
        """Return the outcome of each event by its id; all events must have the same owner.

        Raises Failure when the owner is unavailable or refuses the whole batch.
        """
        if of_esims := [e for e in events if isinstance(e, esims_pb.ProviderEvent)]:
            answer = await rpc_client.call(
                self._esims.ApplyEvents,
                esims_pb.ApplyEventsRequest(events=of_esims),
                token=self._key,
                timeout=TIMEOUT,
            )
            return {
                UUID(r.event_id): _outcome(esims_pb.EventOutcome.Name(r.outcome), r.detail)
                for r in answer.results
            }
        of_orders = [e for e in events if isinstance(e, orders_pb.ProviderEvent)]
        answered = await rpc_client.call(
            self._orders.ApplyEvents,
            orders_pb.ApplyEventsRequest(events=of_orders),
            token=self._key,
            timeout=TIMEOUT,
        )
        return {
            UUID(r.event_id): _outcome(orders_pb.EventOutcome.Name(r.outcome), r.detail)
            for r in answered.results
        }


def _outcome(enum_name: str, detail: str) -> Outcome:
    name = enum_name.removeprefix("EVENT_OUTCOME_")
    return Outcome(DISPOSITIONS.get(name, Disposition.FAILED), name, detail)
