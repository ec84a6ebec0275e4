"""Reads callbacks of both versions and of both vocabularies; pure, and never an error."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kit import exact_json, iccid, money, plain_text, quantities, timestamps
from webhooks import events
from webhooks.content import digest
from webhooks.events import UNKNOWN, ESIMChange, OrderChange, Owner, Understood

# The provider's words and the platform's are far shorter; anything longer is nobody's.
LONGEST_TYPE = 80
# Names, ids and references have some 40 characters, activation codes some 80.
LONGEST_TEXT = 200
# What the owner's columns hold of a country, a profile status and a phone number.
LONGEST_WORD = 100
# What the owners' columns hold; more money is no balance.
MOST_MONEY = Decimal(10) ** 12
MOST_ESIMS = 100
PROFILE = "ProfileStatusChange"

Body = Mapping[str, Any]


class NotUnderstood(Exception):  # noqa: N818 - no fault of ours, and the name says so
    """A body of a known type that lacks what makes it one; the text says what, without its values."""


def understand(body: bytes) -> Understood:
    """What a callback says; a body that nobody knows has no owner."""
    try:
        content = _json(body)
    except ValueError:
        problem = "an empty body" if not body.strip() else "no JSON, or in an unknown compression"
        return Understood(UNKNOWN, problem=problem)
    return replace(_understand(content), content_digest=digest(content))


def _understand(content: Any) -> Understood:
    if not isinstance(content, Mapping):
        return Understood(UNKNOWN, problem="no JSON object")
    kind = _kind(content)
    about_esim, about_order = ABOUT_ESIM.get(kind), ABOUT_ORDER.get(kind)
    if "profileStatus" in content:
        # Nobody has published the type that it carries.
        about_esim = _profile
        kind = kind if kind in KNOWN else PROFILE
    try:
        if about_order is not None:
            return Understood(kind, Owner.ORDERS, None, about_order(kind, _data(content)))
        if about_esim is not None:
            return _of_esim(kind, _data(content), about_esim)
    except NotUnderstood as problem:
        return Understood(kind, problem=str(problem))
    return Understood(kind, problem="an unknown type")


def _json(body: bytes) -> Any:
    """JSON in UTF-8, UTF-16 or UTF-32, with or without a byte order mark; else as Latin-1.

    The charset of the Content-Type is ignored: only names of countries can differ from UTF-8.
    """
    try:
        return exact_json.loads(body)
    except UnicodeDecodeError:
        return exact_json.loads(body.decode("latin-1"))


def _kind(content: Body) -> str:
    word = content.get("alertType") or content.get("event")
    if isinstance(word, str) and 0 < len(word) <= LONGEST_TYPE and plain_text.is_plain(word):
        return word
    return PROFILE if "profileStatus" in content and word is None else UNKNOWN


def _data(content: Body) -> Body:
    """The platform's events hold theirs in `data`, the provider's are flat."""
    data = content.get("data")
    return data if isinstance(data, Mapping) and "event" in content else content


def _of_esim(kind: str, body: Body, read: Callable[[str, Body], ESIMChange]) -> Understood:
    about, exact = _iccid(body.get("iccid"))
    change: ESIMChange = events.Unclear()
    if exact:
        try:
            change = read(kind, body)
        except NotUnderstood:
            # What happened isn't clear, but to which eSIM is: the provider can tell the rest.
            change = events.Unclear()
    return Understood(kind, Owner.ESIMS, about, change)


def _iccid(value: Any) -> tuple[str, bool]:
    """The ICCID, and whether all its digits are sure: the provider's guide shows it as a number too."""
    digits = iccid.from_json(value)
    if not digits:
        raise NotUnderstood("no ICCID")
    return digits, iccid.is_exact(value)


def _use(kind: str, body: Body) -> ESIMChange:
    bundle = _object(body, "bundle")
    unit = bundle.get("unit")
    if not quantities.is_data_unit(unit):
        # Minutes or messages of a bundle that may hold data as well, of which this says nothing.
        raise NotUnderstood("no unit of data")
    limit = bundle.get("unlimited")
    unlimited = limit if isinstance(limit, bool) else None
    initial = quantities.in_bytes(bundle.get("initialQuantity"), unit)
    remaining = quantities.in_bytes(bundle.get("remainingQuantity"), unit)
    if not unlimited and (remaining is None or (initial is not None and remaining > initial)):
        raise NotUnderstood("no remainingQuantity of the initialQuantity")
    return events.BundleUse(
        assignment_id=_digits_or_text(bundle.get("id")),
        name=_text(bundle, "name"),
        initial_bytes=None if unlimited else initial,
        remaining_bytes=None if unlimited else remaining,
        start=timestamps.from_provider(bundle.get("startTime")),
        end=timestamps.from_provider(bundle.get("endTime")),
        unlimited=unlimited,
        description=_word(bundle.get("description")),
        reference=_word(bundle.get("reference")),
    )


def _activated(kind: str, body: Body) -> ESIMChange:
    return events.Activated(timestamps.from_provider(body.get("activated_date")))


def _country(kind: str, body: Body) -> ESIMChange:
    country = _object(body, "country")
    code = _word(country.get("code"), LONGEST_WORD)
    name = _word(country.get("name"), LONGEST_WORD)
    if not code and not name:
        raise NotUnderstood("no country")
    return events.CountrySeen(code, name)


def _deletion(kind: str, body: Body) -> ESIMChange:
    return events.DeletionScheduled(timestamps.from_provider(body.get("date")))


def _deleted(kind: str, body: Body) -> ESIMChange:
    return events.Deleted()


def _number(kind: str, body: Body) -> ESIMChange:
    number = _digits_or_text(body.get("msisdn"), LONGEST_WORD)
    enabled = kind == "MSISDNEnabled"
    if enabled and not number:
        raise NotUnderstood("no msisdn")
    return events.NumberChanged(number, enabled=enabled)


def _message_failed(kind: str, body: Body) -> ESIMChange:
    return events.MessageFailed(timestamps.from_provider(body.get("timestamp")))


def _profile(kind: str, body: Body) -> ESIMChange:
    # The name of its time isn't published either.
    times = (
        timestamps.from_provider(body.get(name))
        for name in ("timestamp", "date", "time", "dateTime")
    )
    return events.ProfileChanged(
        _text(body, "profileStatus", LONGEST_WORD),
        next((at for at in times if at is not None), None),
    )


def _assigned(kind: str, body: Body) -> ESIMChange:
    return events.CodeAssigned(
        _text(body, "qr_code"), timestamps.from_provider(body.get("assigned_date"))
    )


def _bundle_activated(kind: str, body: Body) -> ESIMChange:
    return events.BundleActivated(
        _text(body, "bundle_name"),
        timestamps.from_provider(body.get("start_date")),
        timestamps.from_provider(body.get("end_date")),
    )


def _bundle_expired(kind: str, body: Body) -> ESIMChange:
    return events.BundleExpired(_text(body, "bundle_name"))


def _order_completed(kind: str, body: Body) -> OrderChange:
    rows = body.get("esims")
    if not isinstance(rows, list) or len(rows) > MOST_ESIMS:
        raise NotUnderstood("no list of eSIMs")
    told = []
    for row in rows:
        if not isinstance(row, Mapping):
            raise NotUnderstood("an eSIM that is no object")
        digits, exact = _iccid(row.get("iccid"))
        if not exact:
            raise NotUnderstood("the ICCID is a number that may have lost digits")
        told.append((digits, _word(row.get("qr_code"))))
    return events.OrderDelivered(_text(body, "order_reference"), tuple(told))


def _top_up(kind: str, body: Body) -> OrderChange:
    amounts = _object(body, "bundle")
    return events.BalanceChanged(kind, _money(amounts, "oldAmount"), _money(amounts, "newAmount"))


def _low(kind: str, body: Body) -> OrderChange:
    info = _object(body, "balanceInfo")
    return events.BalanceLow(kind, _money(info, "balance"), _money(info, "threshold"))


ABOUT_ESIM: Mapping[str, Callable[[str, Body], ESIMChange]] = {
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
ABOUT_ORDER: Mapping[str, Callable[[str, Body], OrderChange]] = {
    "order.completed": _order_completed,
    "Topup": _top_up,
    "AutoTopup": _top_up,
    "eSIMGoTopup": _top_up,
    "LowBalance": _low,
    "InsufficientBalance": _low,
}
KNOWN = frozenset(ABOUT_ESIM) | frozenset(ABOUT_ORDER)


def _object(body: Body, name: str) -> Body:
    value = body.get(name)
    if not isinstance(value, Mapping):
        raise NotUnderstood(f"no {name}")
    return value


def _text(body: Body, name: str, most: int = LONGEST_TEXT) -> str:
    value = _word(body.get(name), most)
    if not value:
        raise NotUnderstood(f"no {name}")
    return value


def _word(value: Any, most: int = LONGEST_TEXT) -> str:
    """Text as it is; what is no text, too long or not printable counts as nothing."""
    if isinstance(value, str) and len(value) <= most and plain_text.is_plain(value):
        return value.strip()
    return ""


def _digits_or_text(value: Any, most: int = LONGEST_TEXT) -> str:
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and 0 <= value <= quantities.MOST_BYTES
    ):
        return str(value)
    return _word(value, most)


def _money(body: Body, name: str) -> Decimal:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise NotUnderstood(f"no {name}")
    # Compared before any arithmetic, which overflows for an exponent beyond that of Decimal's context.
    if not -MOST_MONEY <= value <= MOST_MONEY:
        raise NotUnderstood(f"{name} is out of bounds")
    return round(money.without_float_noise(Decimal(value)), 9)
