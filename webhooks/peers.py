"""Delivers events to the services that own them, over gRPC."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import grpc

from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2_grpc
from protos.esims.v1 import events_pb2 as esims_pb
from protos.orders.v1 import events_pb2 as orders_pb
from protos.orders.v1 import orders_pb2_grpc, payments_pb2_grpc
from protos.orders.v1 import payments_pb2 as payments_pb
from webhooks.callback import Event

# Seconds that an owner has for one batch: each event is a few statements there.
TIMEOUT = 5.0


class Disposition(StrEnum):
    """How the delivery worker treats an owner's outcome of an event."""

    DONE = "DONE"
    UNKNOWN = "UNKNOWN"  # its eSIM, order or payment isn't registered, or not yet
    REFUSED = "REFUSED"  # another attempt would have the same outcome
    FAILED = "FAILED"


DISPOSITIONS = {
    "APPLIED": Disposition.DONE,
    "UNCHANGED": Disposition.DONE,
    "READ_QUEUED": Disposition.DONE,
    "UNKNOWN_ESIM": Disposition.UNKNOWN,
    "UNKNOWN_ORDER": Disposition.UNKNOWN,
    "UNKNOWN_PAYMENT": Disposition.UNKNOWN,
    "IGNORED": Disposition.DONE,
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
        self._payments = payments_pb2_grpc.PaymentsServiceStub(orders)
        self._key = service_role_key

    async def deliver(self, events: Mapping[UUID, Event]) -> dict[UUID, Outcome]:
        """Return the outcome of each event by its id; all events must have the same owner.

        Raises Failure when the owner is unavailable or refuses the whole batch.
        """
        first = next(iter(events.values()))
        if isinstance(first, payments_pb.PaymentEvent):
            return await self._deliver_payments(events)
        pb: Any = esims_pb if isinstance(first, esims_pb.ProviderEvent) else orders_pb
        stub = self._esims if pb is esims_pb else self._orders
        request = pb.ApplyEventsRequest(events=events.values())
        answer: Any = await rpc_client.call(
            stub.ApplyEvents, request, token=self._key, timeout=TIMEOUT
        )
        return {
            UUID(r.event_id): _outcome(pb.EventOutcome.Name(r.outcome), r.detail)
            for r in answer.results
        }

    async def _deliver_payments(self, events: Mapping[UUID, Any]) -> dict[UUID, Outcome]:
        answer = await rpc_client.call(
            self._payments.ApplyPaymentEvents,
            payments_pb.ApplyPaymentEventsRequest(events=events.values()),
            token=self._key,
            timeout=TIMEOUT,
        )
        names = map(payments_pb.PaymentEventOutcome.Name, answer.outcomes)
        # In the order of the events; one without an outcome failed.
        return {event_id: _outcome(name, "") for event_id, name in zip(events, names, strict=False)}


def _outcome(enum_name: str, detail: str) -> Outcome:
    name = enum_name.removeprefix("PAYMENT_").removeprefix("EVENT_OUTCOME_")
    return Outcome(DISPOSITIONS.get(name, Disposition.FAILED), name, detail)
