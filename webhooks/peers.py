"""Delivers events to the services that own them, over gRPC."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
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
    """How the delivery worker treats an owner's outcome of an event."""

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
    """An owner's result for one event; `name` and `detail` are as the owner returned them."""

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
        pb: Any = esims_pb if isinstance(events[0], esims_pb.ProviderEvent) else orders_pb
        stub = self._esims if pb is esims_pb else self._orders
        request = pb.ApplyEventsRequest(events=events)
        answer: Any = await rpc_client.call(
            stub.ApplyEvents, request, token=self._key, timeout=TIMEOUT
        )
        return {
            UUID(r.event_id): _outcome(pb.EventOutcome.Name(r.outcome), r.detail)
            for r in answer.results
        }


def _outcome(enum_name: str, detail: str) -> Outcome:
    name = enum_name.removeprefix("EVENT_OUTCOME_")
    return Outcome(DISPOSITIONS.get(name, Disposition.FAILED), name, detail)
