"""Reads Stripe's events, and reduces them to what is stored: ids, times and what the event is about."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kit.values import timestamps
from protos.orders.v1 import payments_pb2 as pb
from webhooks.callback import UNKNOWN, Understood

ID = re.compile(r"[A-Za-z0-9_\-]{1,255}")
TYPE = re.compile(r"[a-z0-9_.]{1,80}")
# Epoch seconds of the years 2010 to 2100.
EARLIEST, LATEST = 1_262_304_000, 4_102_444_800
# Metadata that this platform sent with the object.
METADATA = ("payment_id", "order_id", "refund_id")
# Types that change something about a payment here. Payouts and customers don't.
KNOWN = frozenset(
    {
        *(f"checkout.session.{what}" for what in ("completed", "expired")),
        *(f"checkout.session.async_payment_{what}" for what in ("succeeded", "failed")),
        *(
            f"payment_intent.{what}"
            for what in (
                *("created", "requires_action", "processing", "amount_capturable_updated"),
                *("succeeded", "payment_failed", "canceled"),
            )
        ),
        *(
            f"charge.{what}"
            for what in (
                *("pending", "succeeded", "captured", "updated", "failed", "expired"),
                *("refunded", "refund.updated"),
            )
        ),
        *(f"refund.{what}" for what in ("created", "updated", "failed")),
        *(
            f"charge.dispute.{what}"
            for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
        ),
        *(f"radar.early_fraud_warning.{what}" for what in ("created", "updated")),
        *(f"review.{what}" for what in ("opened", "closed")),
    }
)


class NotAnEvent(ValueError):  # noqa: N818 - not a fault of this process
    """A signed body that is not an event of API v1; the text says why without showing it."""


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """One event: its id and type, and the reduced body that is stored."""

    id: str
    type: str
    body: bytes


def read(body: bytes) -> StripeEvent:
    """Read a verified body. Raises NotAnEvent."""
    content = _content(body)
    about = _about(content)
    metadata = about.get("metadata")
    reduced = {
        "id": content["id"],
        "object": "event",
        "type": content["type"],
        "created": content["created"],
        "livemode": content["livemode"],
        "data": {
            "object": {
                "object": _text(about.get("object")),
                **{
                    name: found
                    for name in ("id", "payment_intent", "charge")
                    if (found := _id(about.get(name)))
                },
                "metadata": {
                    name: found
                    for name in METADATA
                    if isinstance(metadata, Mapping) and (found := _id(metadata.get(name)))
                },
            }
        },
    }
    return StripeEvent(content["id"], content["type"], json.dumps(reduced).encode())


def _content(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise NotAnEvent("not JSON") from None
    if not isinstance(content, Mapping) or content.get("object") != "event":
        raise NotAnEvent("not an event")
    if not _id(content.get("id")):
        raise NotAnEvent("no id")
    kind, created = content.get("type"), content.get("created")
    if not isinstance(kind, str) or not TYPE.fullmatch(kind):
        raise NotAnEvent("no type")
    if not isinstance(content.get("livemode"), bool):
        raise NotAnEvent("no livemode")
    if isinstance(created, bool) or not isinstance(created, int):
        raise NotAnEvent("no created")
    if not EARLIEST < created < LATEST:
        raise NotAnEvent("created is out of range")
    return content


def _about(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object that the event is about, as it was then."""
    data = content.get("data")
    about = data.get("object") if isinstance(data, Mapping) else None
    if not isinstance(about, Mapping):
        raise NotAnEvent("no data.object")
    return about


def _id(value: Any) -> str:
    """Return an id, also of an expanded object; "" for anything else."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and ID.fullmatch(value) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) and TYPE.fullmatch(value) else ""


def understand(stored: bytes) -> Understood:
    """Return the type and event of a reduced body; never raises."""
    try:
        content = _content(stored)
        about = _about(content)
    except NotAnEvent as problem:
        return Understood(UNKNOWN, problem=str(problem))
    kind: str = content["type"]
    if kind not in KNOWN:
        return Understood(kind, problem="an unknown type")
    what, own = about.get("object"), _id(about.get("id"))
    intent = own if what == "payment_intent" else _id(about.get("payment_intent"))
    charge = own if what == "charge" else _id(about.get("charge"))
    event = pb.PaymentEvent(
        id=content["id"],
        type=kind,
        object_id=own,
        intent_id=intent,
        charge_id=charge,
        created_at=timestamps.to_proto(datetime.fromtimestamp(content["created"], UTC)),
        livemode=content["livemode"],
        payment_id=_id((about.get("metadata") or {}).get("payment_id")),
    )
    return Understood(kind, event)
