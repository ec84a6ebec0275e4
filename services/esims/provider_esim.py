"""Reads the provider's JSON about eSIMs; only essential fields are required."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kit.errors import Failure, Kind
from kit.values import timestamps
from kit.values.plain_text import MAX_TEXT
from kit.values.plain_text import from_json as text
from protos import iccid
from services.esims.esim import ProviderState, bare_host

# The width of the columns; the provider's values have some ten characters.
MAX_WORD = 100


@dataclass(frozen=True, slots=True)
class Details:
    """One eSIM as the provider reports it, without PIN and PUK. Missing fields are empty, or None.

    `iccid` is empty if it is a number that lost digits.
    """

    iccid: str
    state: ProviderState | None
    profile_status: str
    matching_id: str = field(repr=False)
    smdp_address: str
    customer_ref: str
    apple_install_url: str = field(repr=False, default="")
    android_install_url: str = field(repr=False, default="")
    first_installed: datetime | None = None
    msisdn: str | None = field(repr=False, default=None)  # empty if it has no number


@dataclass(frozen=True, slots=True)
class ListedESIM:
    """A row of the provider's list of eSIMs."""

    iccid: str
    customer_ref: str
    state: ProviderState | None
    last_action: str
    action_date: datetime | None
    assigned_date: datetime | None


@dataclass(frozen=True, slots=True)
class Location:
    """The network where an eSIM was last seen; `network_code` is a TADIG code."""

    network_code: str
    network_name: str
    network_brand_name: str
    country: str
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An event in the history of an eSIM."""

    name: str
    bundle_name: str
    date: datetime
    alert_type: str


def read_details(answer: Any) -> Details:
    """Read GET /esims/{iccid}; a deactivated profile means a deactivated eSIM, whatever `state` says."""
    body = object_(answer)
    profile_status = text(body.get("profileStatus"))[:MAX_WORD]
    state = _state(body.get("state"))
    if profile_status.lower() == ProviderState.DEACTIVATED:
        state = ProviderState.DEACTIVATED
    return Details(
        iccid=_iccid(body) if iccid.is_exact(body.get("iccid")) else "",
        state=state,
        profile_status=profile_status,
        matching_id=text(body.get("matchingId")),
        smdp_address=bare_host(text(body.get("smdpAddress")) or text(body.get("rspUrl"))),
        customer_ref=text(body.get("customerRef")),
        apple_install_url=text(body.get("appleInstallUrl"), MAX_TEXT),
        android_install_url=text(body.get("androidInstallUrl"), MAX_TEXT),
        first_installed=timestamps.from_provider(body.get("firstInstalledDateTime")),
        msisdn=_number(body.get("msisdn")),
    )


def read_list(answer: Any) -> tuple[list[ListedESIM], int | None]:
    """Read a page of GET /esims, without rows that lack an ICCID, and the number of pages, if reported."""
    body = {"esims": answer} if isinstance(answer, list) else object_(answer)
    pages = body.get("pageCount")
    return [
        ListedESIM(
            iccid=_iccid(row),
            customer_ref=text(row.get("customerRef")),
            state=_state(row.get("state")),
            last_action=text(row.get("lastAction")),
            action_date=timestamps.from_provider(row.get("actionDate")),
            assigned_date=timestamps.from_provider(row.get("assignedDate")),
        )
        for row in _readable(array(body, "esims"), "iccid")
    ], pages if isinstance(pages, int) and not isinstance(pages, bool) and pages > 0 else None


def read_location(answer: Any) -> Location | None:
    """Read GET /esims/{iccid}/location; None if all fields are empty, for an eSIM that was never attached."""
    body = object_(answer)
    location = Location(
        network_code=text(body.get("mobileNetworkCode")),
        network_name=text(body.get("networkName")),
        network_brand_name=text(body.get("networkBrandName")),
        country=text(body.get("country")),
        last_seen=timestamps.from_provider(body.get("lastSeen")),
    )
    return location if location.network_code or location.last_seen else None


def read_history(answer: Any) -> list[HistoryEntry]:
    """Read GET /esims/{iccid}/history, newest first: an array, one object as in the schema, or null if empty.

    Entries without a name or a date are ignored.
    """
    listed = answer or [] if isinstance(answer, list | None) else [answer]
    rows = [row for row in listed if isinstance(row, Mapping)] or list(map(object_, listed))
    entries = [
        HistoryEntry(
            name=text(row.get("name")),
            bundle_name=text(row.get("bundleName")) or text(row.get("bundle")),
            date=date,
            alert_type=text(row.get("alertType")),
        )
        for row in rows
        if text(row.get("name")) and (date := timestamps.from_provider(row.get("date"))) is not None
    ]
    return sorted(entries, key=lambda entry: entry.date, reverse=True)


def read_compatible(answer: Any) -> bool:
    """Read GET /esims/{iccid}/compatible/{bundle}."""
    compatible = object_(answer).get("compatible")
    if not isinstance(compatible, bool):
        raise bad_answer("compatible")
    return compatible


def _number(value: Any) -> str | None:
    """Return a phone number, which is empty if the eSIM has none; None for a value that is no number."""
    number = text(value)
    none = isinstance(value, str) and not value.strip()
    return number[:MAX_WORD] if number or none else None


def _state(value: Any) -> ProviderState | None:
    try:
        return ProviderState(text(value).lower())
    except ValueError:
        return None


def object_(value: Any) -> Mapping[str, Any]:
    """Return an object; raises Failure for anything else."""
    if not isinstance(value, Mapping):
        raise bad_answer("an object")
    return value


def array(body: Mapping[str, Any], name: str) -> list[Any]:
    """Return the list of that name, empty for null; raises Failure for anything else."""
    value = body.get(name)
    if value is None and name in body:
        return []
    if not isinstance(value, list):
        raise bad_answer(name)
    return value


def essential(row: Mapping[str, Any], name: str) -> str:
    """Return the text of that name; raises Failure if it is empty."""
    value = text(row.get(name))
    if not value:
        raise bad_answer(name)
    return value


def _iccid(row: Mapping[str, Any]) -> str:
    return iccid.from_json(row.get("iccid")) or essential(row, "iccid")


def _readable(rows: list[Any], key: str) -> list[Mapping[str, Any]]:
    """Return the objects that have the key; raises Failure if there are rows, but none has it."""
    if (found := [r for r in rows if isinstance(r, Mapping) and text(r.get(key))]) or not rows:
        return found
    raise bad_answer(key)


def bad_answer(what: str) -> Failure:
    """Return the failure for an answer in which something essential is missing or malformed."""
    return Failure(
        Kind.UNAVAILABLE,
        "PROVIDER_BAD_ANSWER",
        f"The provider's response lacks {what} or has it in an unknown format; try again later",
    )
