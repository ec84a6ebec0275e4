"""Applies callbacks about orders and the balance: each event alone, repeatable."""

import logging
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure, invalid
from kit.telemetry import metrics
from kit.values import money, timestamps
from kit.values.checks import Checks
from protos import iccid
from protos.orders.v1 import events_pb2 as pb
from services.orders import balance_store as provider_balance
from services.orders import delivery_store
from services.orders.batches import worker_store
from services.orders.callbacks import event_store
from services.orders.order import DeliveredESIM, OrderStatus, RecoveryPoint, is_complete
from services.orders.provider.provider_order import bare_host

logger = logging.getLogger(__name__)

MAX_EVENTS = 100
ACTIVATION_CODE = re.compile(r"LPA:1\$(?P<host>[^$\s]+)\$(?P<matching_id>[^$\s]+)", re.ASCII)
LOW = ("LowBalance", "InsufficientBalance")
KINDS = ("Topup", "AutoTopup", "eSIMGoTopup", *LOW)


class Events:
    """Applies events; `start` is called with orders that have work due."""

    def __init__(self, database: Database, start: Callable[[UUID], Any]) -> None:
        self._database = database
        self._start = start

    async def apply(self, request: pb.ApplyEventsRequest) -> pb.ApplyEventsResponse:
        """Return the result of each event, in order. Raises Failure when the database is unavailable."""
        _check(request)
        results = [await self._apply_one(event) for event in request.events]
        return pb.ApplyEventsResponse(results=results)

    async def _apply_one(self, event: pb.ProviderEvent) -> pb.EventResult:
        detail = ""
        try:
            if event.WhichOneof("change") == "order_delivered":
                outcome, detail = await self._delivered(event.order_delivered)
            else:
                outcome = await self._balance_reported(event)
        except Failure:
            raise
        except Exception as error:
            # One poison event must not block the rest.
            logger.exception("event %s could not be applied", event.event_id)
            outcome, detail = pb.EVENT_OUTCOME_FAILED, type(error).__name__
        return pb.EventResult(event_id=event.event_id, outcome=outcome, detail=detail)

    async def _delivered(
        self, delivered: pb.OrderDelivered
    ) -> "tuple[pb.EventOutcome.ValueType, str]":
        """Record the delivered eSIMs of an order that has none, or have them fetched from the provider."""
        delivered_esims = list({e.iccid: e for e in map(_esim, delivered.esims)}.values())
        async with self._database.system() as connection:
            order = await event_store.lock_by_reference(connection, delivered.reference)
            if order is None:
                return pb.EVENT_OUTCOME_UNKNOWN_ORDER, ""
            known = await delivery_store.of_order(connection, order.id)
            if known and {e.iccid for e in delivered_esims} - {e.iccid for e in known}:
                return pb.EVENT_OUTCOME_REFUSED, f"order {order.id} has other eSIMs"
            waiting = order.status is OrderStatus.PROCESSING
            if known or not waiting or order.recovery_point is not RecoveryPoint.PLACED:
                return pb.EVENT_OUTCOME_UNCHANGED, ""
            bound = order.bound_iccid
            on_requested = bound is None or [e.iccid for e in delivered_esims] == [bound]
            if is_complete(order, delivered_esims) and on_requested:
                await delivery_store.record(connection, order, delivered_esims)
            await event_store.make_due(connection, order.id)
        self._start(order.id)
        return pb.EVENT_OUTCOME_APPLIED, ""

    async def _balance_reported(self, event: pb.ProviderEvent) -> "pb.EventOutcome.ValueType":
        if event.repeated:
            # It may be an old callback that is sent again, or a top-up by the same amounts as an earlier one.
            async with self._database.system() as connection:
                await event_store.read_balance_soon(connection)
            return pb.EVENT_OUTCOME_UNCHANGED
        change = event.balance_changed
        low = event.balance_low
        changed = event.WhichOneof("change") == "balance_changed"
        kind = change.kind if changed else low.kind
        balance = money.from_proto(change.new_balance if changed else low.balance)
        async with self._database.system() as connection:
            newest = await event_store.record_balance(
                connection,
                UUID(event.event_id),
                timestamps.from_proto(event.received_at),
                kind,
                balance,
                money.from_proto(change.old_balance) if change.HasField("old_balance") else None,
                money.from_proto(low.threshold) if low.HasField("threshold") else None,
            )
            if newest:
                received_at = timestamps.from_proto(event.received_at)
                await provider_balance.record(connection, balance, received_at)
                if kind not in LOW:
                    await worker_store.wake_for_balance(connection)
        if newest is None:
            return pb.EVENT_OUTCOME_UNCHANGED
        if newest:  # else it was delivered late, and says nothing of the balance now
            # Created by the first callback: 0 would read as an empty account.
            metrics.gauge(
                "esimgo_orders_provider_balance", "The balance that the newest callback reported"
            ).set(float(balance))
            if kind in LOW:
                logger.warning("%s: the provider's balance is %s; top it up", kind, balance)
        return pb.EVENT_OUTCOME_APPLIED


def _check(request: pb.ApplyEventsRequest) -> None:
    if not 1 <= len(request.events) <= MAX_EVENTS:
        raise invalid({"events": f"must contain 1 to {MAX_EVENTS}, not {len(request.events)}"})
    checks = Checks()
    for index, event in enumerate(request.events):
        path = f"events[{index}]"
        checks.uuid(f"{path}.event_id", event.event_id)
        checks.moment(f"{path}.received_at", event.received_at)
        match event.WhichOneof("change"):
            case "order_delivered":
                if not event.order_delivered.reference:
                    checks.fail(f"{path}.order_delivered", "must contain the provider's reference")
            case "balance_changed":
                _check_kind(checks, path, event.balance_changed.kind)
            case "balance_low":
                _check_kind(checks, path, event.balance_low.kind)
            case _:
                checks.fail(f"{path}.change", "must contain an event")
    checks.done()


def _check_kind(checks: Checks, path: str, kind: str) -> None:
    if kind not in KINDS:
        checks.fail(f"{path}.kind", f"must be one of {', '.join(KINDS)}")


def _esim(delivered: pb.DeliveredProfile) -> DeliveredESIM:
    code = ACTIVATION_CODE.fullmatch(delivered.activation_code.strip())
    return DeliveredESIM(
        iccid=iccid.normalize(delivered.iccid) or delivered.iccid,
        matching_id=code["matching_id"] if code else "",
        smdp_address=bare_host(code["host"]) if code else "",
    )
