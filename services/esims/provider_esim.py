"""Reads the provider's JSON about eSIMs: essential fields must be there, the rest may be missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kit.errors import Failure, Kind
from kit.values import plain_text, timestamps
from protos import iccid
from services.esims.esim import ProviderState, bare_host

# The width of the columns; the provider's words have some ten characters.
MAX_WORD = 100
# Characters of any text of the provider's, which a column and its index hold too. Install links are longest.
MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Details:
    """One eSIM as the provider reports it; PIN and PUK are left out on purpose.

    Empty texts and a state of None stand for fields that the provider left out.
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
    msisdn: str | None = field(repr=False, default=None)  # empty: it has none


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
    """The network that an eSIM was last seen in; `network_code` is a TADIG code."""

    network_code: str
    network_name: str
    network_brand_name: str
    country: str
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened to an eSIM."""

    name: str
    bundle_name: str
    date: datetime
    alert_type: str


def read_details(answer: Any) -> Details:
    """GET /esims/{iccid}. A profile that is Deactivated makes the eSIM so, whatever `state` says."""
    body = object_(answer)
    profile_status = text(body.get("profileStatus"))[:MAX_WORD]
    state = _state(body.get("state"))
    if profile_status.lower() == ProviderState.DEACTIVATED:
        state = ProviderState.DEACTIVATED
    return Details(
        iccid=_iccid(body),
        state=state,
        profile_status=profile_status,
        matching_id=text(body.get("matchingId")),
        smdp_address=bare_host(text(body.get("smdpAddress")) or text(body.get("rspUrl"))),
        customer_ref=text(body.get("customerRef")),
        apple_install_url=text(body.get("appleInstallUrl")),
        android_install_url=text(body.get("androidInstallUrl")),
        first_installed=timestamps.from_provider(body.get("firstInstalledDateTime")),
        msisdn=text(body["msisdn"])[:MAX_WORD] if body.get("msisdn") is not None else None,
    )


def read_list(answer: Any) -> tuple[list[ListedESIM], int | None]:
    """A page of GET /esims, rows without an ICCID left out, and the number of pages, if reported."""
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
    """GET /esims/{iccid}/location; None for an eSIM that was never attached, whose fields are all empty."""
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
    """GET /esims/{iccid}/history, newest first: an array, or one object as the schema has it.

    Entries without a name or a date are left out.
    """
    listed = answer if isinstance(answer, list) else [answer]
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
    """GET /esims/{iccid}/compatible/{bundle}."""
    compatible = object_(answer).get("compatible")
    if not isinstance(compatible, bool):
        raise bad_answer("compatible")
    return compatible


def text(value: Any) -> str:
    """Text as PostgreSQL can hold it; numbers as their digits (ICCIDs and ids come as numbers too).

    Empty for anything else, and for text that is far longer than the provider's.
    """
    if isinstance(value, str):
        return plain_text.storable(value).strip() if len(value) <= MAX_TEXT else ""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _state(value: Any) -> ProviderState | None:
    """Guides write the states with capitals."""
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
    """Return the list of that name, which may come as null; raises Failure for anything else."""
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
    """The objects that have the key; raises Failure when there are rows, and none is one."""
    if (found := [r for r in rows if isinstance(r, Mapping) and text(r.get(key))]) or not rows:
        return found
    raise bad_answer(key)


def bad_answer(what: str) -> Failure:
    """A failure for an answer without what is essential, or with it in another form."""
    return Failure(
        Kind.UNAVAILABLE,
        "PROVIDER_BAD_ANSWER",
        f"The provider's response lacks {what} or has it in an unknown format; try again later",
    )
