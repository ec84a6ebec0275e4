"""Callbacks of the provider about one eSIM, and the events that they are parsed to."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kit.values import money, timestamps
from protos.esims.v1 import events_pb2 as esims_pb
from protos.orders.v1.payments_pb2 import PaymentEvent
from webhooks.callback import Event

ICCID = "8944501234567890123"
START, END = "2026-02-03T09:12:44Z", "2026-03-05T09:12:44Z"
STARTED = timestamps.to_proto(datetime(2026, 2, 3, 9, 12, 44, tzinfo=UTC))
ENDS = timestamps.to_proto(datetime(2026, 3, 5, 9, 12, 44, tzinfo=UTC))
V2: dict[str, Any] = {
    "name": "esim_3GB_30D_FR_V2",
    "initialQuantity": 3_000_000_000,
    "remainingQuantity": 1_500_000_000,
    "startTime": START,
    "endTime": END,
}
V3 = V2 | {"id": "4711", "reference": "order-0", "description": "3 GB", "unlimited": False}
PERIOD: dict[str, Any] = {"name": V2["name"], "start_date": STARTED, "end_date": ENDS}
AMOUNTS: dict[str, Any] = {"initial_bytes": 3_000_000_000, "remaining_bytes": 1_500_000_000}
ASSIGNMENT: dict[str, Any] = {
    "assignment_id": "4711",
    "description": "3 GB",
    "reference": "order-0",
}
USE = esims_pb.BundleUse(**PERIOD, **AMOUNTS)
USE_V3 = esims_pb.BundleUse(**PERIOD, **AMOUNTS, **ASSIGNMENT, unlimited=False)
USE_UNLIMITED = esims_pb.BundleUse(**PERIOD, **ASSIGNMENT, unlimited=True)
UNDATED_USE = esims_pb.BundleUse(name=V2["name"], **AMOUNTS)
UNCLEAR = esims_pb.ProviderEvent(iccid=ICCID, unclear=esims_pb.Unclear())
ACTIVATED = esims_pb.ProviderEvent(iccid=ICCID, activated=esims_pb.Activated())


def dollars(amount: str) -> Any:
    return money.to_proto(Decimal(amount), "")


def change(event: Event | None) -> object:
    assert event is not None
    assert not isinstance(event, PaymentEvent)
    which = event.WhichOneof("change")
    assert which is not None
    return getattr(event, which)


def callback(kind: str, **fields: Any) -> bytes:
    return json.dumps({"alertType": kind, "iccid": ICCID, **fields}).encode()


def platform_event(name: str, **data: Any) -> bytes:
    return json.dumps({"event": name, "data": {"iccid": ICCID, **data}}).encode()
