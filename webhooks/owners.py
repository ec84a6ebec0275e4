"""Hands events to their owners over gRPC, as values in and outcomes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import grpc

from kit import money, rpc_client, timestamps
from protos.common.v1 import money_pb2
from protos.esims.v1 import esims_pb2_grpc
from protos.esims.v1 import events_pb2 as esims_pb
from protos.orders.v1 import events_pb2 as orders_pb
from protos.orders.v1 import orders_pb2_grpc
from webhooks import events
from webhooks.events import ESIMChange, OrderChange, Owner, Understood

# Seconds that an owner has for one batch: each event is a few statements there.
TIMEOUT = 5.0
# A proto's money needs a currency, and callbacks name none.
NO_CURRENCY = ""


class Verdict(StrEnum):
    """What is to be done with an event now."""

    DONE = "DONE"
    UNKNOWN = "UNKNOWN"  # its eSIM or order isn't there, or not yet
    REFUSED = "REFUSED"  # trying again changes nothing
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Letter:
    """One event on its way."""

    id: UUID
    received_at: datetime
    understood: Understood
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An owner's word for what became of an event, and what follows."""

    verdict: Verdict
    outcome: str
    detail: str = ""


class Owners:
    """The services' stubs, called as the platform itself."""

    def __init__(
        self, esims: grpc.aio.Channel, orders: grpc.aio.Channel, service_role_key: str
    ) -> None:
        self._esims = esims_pb2_grpc.ESIMsServiceStub(esims)
        self._orders = orders_pb2_grpc.OrdersServiceStub(orders)
        self._key = service_role_key

    async def hand_over(self, owner: Owner, letters: Sequence[Letter]) -> dict[UUID, Answer]:
        """The answer to each. Raises Failure when the owner is away or refuses all of them."""
        if owner is Owner.ESIMS:
            answer = await rpc_client.call(
                self._esims.ApplyEvents,
                esims_pb.ApplyEventsRequest(events=map(_esim_event, letters)),
                token=self._key,
                timeout=TIMEOUT,
            )
            return {
                UUID(r.event_id): _answer(esims_pb.EventOutcome.Name(r.outcome), r.detail)
                for r in answer.results
            }
        answered = await rpc_client.call(
            self._orders.ApplyEvents,
            orders_pb.ApplyEventsRequest(events=map(_order_event, letters)),
            token=self._key,
            timeout=TIMEOUT,
        )
        return {
            UUID(r.event_id): _answer(orders_pb.EventOutcome.Name(r.outcome), r.detail)
            for r in answered.results
        }


VERDICTS = {
    "APPLIED": Verdict.DONE,
    "UNCHANGED": Verdict.DONE,
    "READ_QUEUED": Verdict.DONE,
    "UNKNOWN_ESIM": Verdict.UNKNOWN,
    "UNKNOWN_ORDER": Verdict.UNKNOWN,
    "REFUSED": Verdict.REFUSED,
}


def _answer(name: str, detail: str) -> Answer:
    outcome = name.removeprefix("EVENT_OUTCOME_")
    return Answer(VERDICTS.get(outcome, Verdict.FAILED), outcome, detail)


def _esim_event(letter: Letter) -> esims_pb.ProviderEvent:
    event = esims_pb.ProviderEvent(
        event_id=str(letter.id),
        received_at=timestamps.to_proto(letter.received_at),
        iccid=letter.understood.iccid or "",
        repeated=letter.repeated,
    )
    _fill_esim(event, letter.understood.change)
    return event


def _fill_esim(event: esims_pb.ProviderEvent, change: ESIMChange | OrderChange | None) -> None:
    moment = timestamps.to_proto
    match change:
        case events.BundleUse() as use:
            event.bundle_use.CopyFrom(
                esims_pb.BundleUse(
                    assignment_id=use.assignment_id,
                    name=use.name,
                    initial_bytes=use.initial_bytes,
                    remaining_bytes=use.remaining_bytes,
                    start_date=moment(use.start),
                    end_date=moment(use.end),
                    unlimited=use.unlimited,
                    description=use.description,
                    reference=use.reference,
                )
            )
        case events.Activated(date):
            event.activated.CopyFrom(esims_pb.Activated(date=moment(date)))
        case events.CountrySeen(code, name):
            event.country_seen.CopyFrom(esims_pb.CountrySeen(code=code, name=name))
        case events.DeletionScheduled(date):
            event.deletion_scheduled.CopyFrom(
                esims_pb.DeletionScheduled(announced_date=moment(date))
            )
        case events.Deleted():
            event.deleted.SetInParent()
        case events.NumberChanged(msisdn, enabled=True):
            event.number_enabled.CopyFrom(esims_pb.NumberEnabled(msisdn=msisdn))
        case events.NumberChanged(msisdn):
            event.number_disabled.CopyFrom(esims_pb.NumberDisabled(msisdn=msisdn))
        case events.MessageFailed(date):
            event.message_failed.CopyFrom(esims_pb.MessageFailed(date=moment(date)))
        case events.ProfileChanged(profile_status, date):
            event.profile_changed.CopyFrom(
                esims_pb.ProfileChanged(profile_status=profile_status, date=moment(date))
            )
        case events.CodeAssigned(activation_code, date):
            event.code_assigned.CopyFrom(
                esims_pb.CodeAssigned(activation_code=activation_code, date=moment(date))
            )
        case events.BundleActivated(name, start, end):
            event.bundle_activated.CopyFrom(
                esims_pb.BundleActivated(name=name, start_date=moment(start), end_date=moment(end))
            )
        case events.BundleExpired(name):
            event.bundle_expired.CopyFrom(esims_pb.BundleExpired(name=name))
        case _:
            event.unclear.SetInParent()


def _order_event(letter: Letter) -> orders_pb.ProviderEvent:
    event = orders_pb.ProviderEvent(
        event_id=str(letter.id),
        received_at=timestamps.to_proto(letter.received_at),
        repeated=letter.repeated,
    )
    match letter.understood.change:
        case events.OrderDelivered(reference, esims):
            event.order_delivered.CopyFrom(
                orders_pb.OrderDelivered(
                    reference=reference,
                    esims=[
                        orders_pb.DeliveredProfile(iccid=iccid, activation_code=code)
                        for iccid, code in esims
                    ],
                )
            )
        case events.BalanceChanged(kind, old, new):
            event.balance_changed.CopyFrom(
                orders_pb.BalanceChanged(
                    kind=kind, old_balance=_money(old), new_balance=_money(new)
                )
            )
        case events.BalanceLow(kind, balance, threshold):
            event.balance_low.CopyFrom(
                orders_pb.BalanceLow(
                    kind=kind, balance=_money(balance), threshold=_money(threshold)
                )
            )
    return event


def _money(amount: Decimal) -> money_pb2.Money:
    return money.to_proto(amount, NO_CURRENCY)
