"""Parses callbacks: both versions of the provider's alerts, and its documented platform events."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from kit.values import exact_json, plain_text, quantities
from protos.esims.v1 import events_pb2 as esims_pb
from protos.orders.v1 import events_pb2 as orders_pb
from webhooks import fields
from webhooks.callback import UNKNOWN, Understood
from webhooks.content import digest
from webhooks.fields import Body, NotUnderstood

# Characters; all known types are far shorter.
MAX_TYPE = 80
MAX_ESIMS = 100
PROFILE = "ProfileStatusChange"

ESIMEvent = esims_pb.ProviderEvent
OrderEvent = orders_pb.ProviderEvent


def understand(body: bytes) -> Understood:
    """Return a callback's type and event; never raises: an unknown callback has no event."""
    try:
        content = _json(body)
    except ValueError:
        problem = "an empty body" if not body.strip() else "not JSON, or in an unknown compression"
        return Understood(UNKNOWN, problem=problem)
    return replace(_understand(content), content_digest=digest(content))


def _understand(content: Any) -> Understood:
    if not isinstance(content, Mapping):
        return Understood(UNKNOWN, problem="not a JSON object")
    kind = _kind(content)
    if kind not in KNOWN and "profileStatus" in content:
        kind = PROFILE  # the provider has not published the type of this callback
    about_esim, about_order = ABOUT_ESIM.get(kind), ABOUT_ORDER.get(kind)
    try:
        if about_order is not None:
            return Understood(kind, about_order(kind, _data(content)))
        if about_esim is not None:
            return Understood(kind, _esim_event(kind, _data(content), about_esim))
    except NotUnderstood as problem:
        return Understood(kind, problem=str(problem))
    return Understood(kind, problem="an unknown type")


def _json(body: bytes) -> Any:
    """Parse JSON in UTF-8, UTF-16 or UTF-32, or else in Latin-1; the Content-Type is ignored."""
    try:
        return exact_json.loads(body)
    except UnicodeDecodeError:
        return exact_json.loads(body.decode("latin-1"))


def _kind(content: Body) -> str:
    word = content.get("alertType") or content.get("event")
    if isinstance(word, str) and 0 < len(word) <= MAX_TYPE and plain_text.is_plain(word):
        return word
    return UNKNOWN


def _data(content: Body) -> Body:
    """Return the fields of a callback: platform events have them in `data`, others at the top level."""
    data = content.get("data")
    return data if isinstance(data, Mapping) and "event" in content else content


def _esim_event(kind: str, body: Body, read: Callable[[str, Body], ESIMEvent]) -> ESIMEvent:
    digits, exact = fields.iccid(body.get("iccid"))
    # An unclear event makes the esims service query the provider.
    event = ESIMEvent(unclear=esims_pb.Unclear())
    if exact:
        with suppress(NotUnderstood):
            event = read(kind, body)
    event.iccid = digits
    return event


def _use(kind: str, body: Body) -> ESIMEvent:
    bundle = fields.object_(body, "bundle")
    if not quantities.is_data_unit(unit := bundle.get("unit")):
        # Minutes or messages: the callback doesn't contain the data of the same bundle.
        raise NotUnderstood("no unit of data")
    assignment_id = fields.digits_or_text(bundle.get("id"))
    limit = bundle.get("unlimited")
    unlimited = limit if isinstance(limit, bool) else None
    initial = quantities.in_bytes(bundle.get("initialQuantity"), unit)
    remaining = quantities.in_bytes(bundle.get("remainingQuantity"), unit)
    if not unlimited and (remaining is None or (initial is not None and remaining > initial)):
        raise NotUnderstood("remainingQuantity is missing or above initialQuantity")
    use = esims_pb.BundleUse(
        assignment_id="" if assignment_id == "0" else assignment_id,  # 0: not set
        name=fields.text(bundle, "name"),
        initial_bytes=None if unlimited else initial,
        remaining_bytes=None if unlimited else remaining,
        start_date=fields.time(bundle, "startTime"),
        end_date=fields.time(bundle, "endTime"),
        unlimited=unlimited,
        description=fields.word(bundle.get("description")),
        reference=fields.word(bundle.get("reference")),
    )
    return ESIMEvent(bundle_use=use)


def _activated(kind: str, body: Body) -> ESIMEvent:
    return ESIMEvent(activated=esims_pb.Activated(date=fields.time(body, "activated_date")))


def _country(kind: str, body: Body) -> ESIMEvent:
    country = fields.object_(body, "country")
    code = fields.word(country.get("code"), fields.MAX_WORD)
    name = fields.word(country.get("name"), fields.MAX_WORD)
    if not code and not name:
        raise NotUnderstood("no country")
    return ESIMEvent(country_seen=esims_pb.CountrySeen(code=code, name=name))


def _deletion(kind: str, body: Body) -> ESIMEvent:
    announced = esims_pb.DeletionScheduled(announced_date=fields.time(body, "date"))
    return ESIMEvent(deletion_scheduled=announced)


def _deleted(kind: str, body: Body) -> ESIMEvent:
    return ESIMEvent(deleted=esims_pb.Deleted())


def _number(kind: str, body: Body) -> ESIMEvent:
    number = fields.digits_or_text(body.get("msisdn"), fields.MAX_WORD)
    if kind == "MSISDNDisabled":
        return ESIMEvent(number_disabled=esims_pb.NumberDisabled(msisdn=number))
    if not number:
        raise NotUnderstood("no msisdn")
    return ESIMEvent(number_enabled=esims_pb.NumberEnabled(msisdn=number))


def _message_failed(kind: str, body: Body) -> ESIMEvent:
    return ESIMEvent(message_failed=esims_pb.MessageFailed(date=fields.time(body, "timestamp")))


def _profile(kind: str, body: Body) -> ESIMEvent:
    # The provider has not published the name of the timestamp field either.
    times = (fields.time(body, name) for name in ("timestamp", "date", "time", "dateTime"))
    changed = esims_pb.ProfileChanged(
        profile_status=fields.text(body, "profileStatus", fields.MAX_WORD),
        date=next((at for at in times if at is not None), None),
    )
    return ESIMEvent(profile_changed=changed)


def _assigned(kind: str, body: Body) -> ESIMEvent:
    assigned = esims_pb.CodeAssigned(
        activation_code=fields.text(body, "qr_code"), date=fields.time(body, "assigned_date")
    )
    return ESIMEvent(code_assigned=assigned)


def _bundle_activated(kind: str, body: Body) -> ESIMEvent:
    activated = esims_pb.BundleActivated(
        name=fields.text(body, "bundle_name"),
        start_date=fields.time(body, "start_date"),
        end_date=fields.time(body, "end_date"),
    )
    return ESIMEvent(bundle_activated=activated)


def _bundle_expired(kind: str, body: Body) -> ESIMEvent:
    return ESIMEvent(bundle_expired=esims_pb.BundleExpired(name=fields.text(body, "bundle_name")))


def _order_completed(kind: str, body: Body) -> OrderEvent:
    rows = body.get("esims")
    if not isinstance(rows, list) or len(rows) > MAX_ESIMS:
        raise NotUnderstood("no list of eSIMs")
    delivered = orders_pb.OrderDelivered(reference=fields.text(body, "order_reference"))
    for row in rows:
        if not isinstance(row, Mapping):
            raise NotUnderstood("an eSIM that is not an object")
        digits, exact = fields.iccid(row.get("iccid"))
        if not exact:
            raise NotUnderstood("the ICCID is a number, which may have lost digits")
        delivered.esims.add(iccid=digits, activation_code=fields.word(row.get("qr_code")))
    return OrderEvent(order_delivered=delivered)


def _top_up(kind: str, body: Body) -> OrderEvent:
    amounts = fields.object_(body, "bundle")
    changed = orders_pb.BalanceChanged(
        kind=kind,
        old_balance=fields.optional_amount(amounts, "oldAmount"),
        new_balance=fields.amount(amounts, "newAmount"),
    )
    return OrderEvent(balance_changed=changed)


def _low(kind: str, body: Body) -> OrderEvent:
    info = fields.object_(body, "balanceInfo")
    low = orders_pb.BalanceLow(
        kind=kind,
        balance=fields.amount(info, "balance"),
        threshold=fields.optional_amount(info, "threshold"),
    )
    return OrderEvent(balance_low=low)


ABOUT_ESIM: Mapping[str, Callable[[str, Body], ESIMEvent]] = {
    "Utilisation": _use,
    "FirstUse": _use,
    "FirstAttachment": _activated,
    "CountryChange": _country,
    "esim.deletion_scheduled": _deletion,
    "esim.deleted": _deleted,
    "MSISDNEnabled": _number,
    "MSISDNDisabled": _number,
    "SMSFailed": _message_failed,
    PROFILE: _profile,
    "esim.assigned": _assigned,
    "esim.activated": _activated,
    "bundle.activated": _bundle_activated,
    "bundle.expired": _bundle_expired,
}
ABOUT_ORDER: Mapping[str, Callable[[str, Body], OrderEvent]] = {
    "order.completed": _order_completed,
    "Topup": _top_up,
    "AutoTopup": _top_up,
    "eSIMGoTopup": _top_up,
    "LowBalance": _low,
    "InsufficientBalance": _low,
}
KNOWN = frozenset(ABOUT_ESIM) | frozenset(ABOUT_ORDER)
