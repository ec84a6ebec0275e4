"""Reads the provider's JSON about eSIMs: essential fields must be there, the rest may be missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kit import iccid, plain_text, quantities, timestamps
from kit.errors import Failure, Kind
from services.esims.bundle import Assignment, AssignmentState
from services.esims.esim import ProviderState, bare_host

# The width of the columns; the provider's words have some ten characters.
MOST_WORD = 100
# Characters of any text of the provider's, which a column and its index hold too. Install links are longest.
MOST_TEXT = 1000
# Groups of assignments that hold no data.
NO_DATA = frozenset({"voice", "call", "calls", "sms", "text", "texts"})


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
    body = _object(answer)
    profile_status = text(body.get("profileStatus"))[:MOST_WORD]
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
        msisdn=text(body["msisdn"])[:MOST_WORD] if body.get("msisdn") is not None else None,
    )


def read_list(answer: Any) -> tuple[list[ListedESIM], int | None]:
    """A page of GET /esims, rows without an ICCID left out, and the number of pages, if reported."""
    body = {"esims": answer} if isinstance(answer, list) else _object(answer)
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
        for row in _readable(_array(body, "esims"), "iccid")
    ], pages if isinstance(pages, int) and not isinstance(pages, bool) and pages > 0 else None


@dataclass(frozen=True, slots=True)
class Listing:
    """The assignments of an eSIM that could be read; `skipped` others were listed in a form unknown here."""

    assignments: list[Assignment]
    skipped: int = 0


def read_bundles(answer: Any) -> Listing:
    """GET /esims/{iccid}/bundles: the assignments of all bundles, each once.

    Raises Failure when there are some and none can be read.
    """
    found: dict[str, Assignment] = {}
    skipped: list[Failure] = []
    for bundle in _array(_object(answer), "bundles"):
        try:
            name, description = _essential(_object(bundle), "name"), text(bundle.get("description"))
            rows = _array(bundle, "assignments")
        except Failure as failure:
            skipped.append(failure)
            continue
        for row in rows:
            try:
                assignment = _assignment(_object(row), name, description)
            except Failure as failure:
                skipped.append(failure)
            else:
                found[assignment.id] = assignment
    if skipped and not found:
        raise skipped[0]
    return Listing(list(found.values()), len(skipped))


def read_assignments(answer: Any, name: str) -> list[Assignment]:
    """GET /esims/{iccid}/bundles/{name}; raises Failure for one that can't be read."""
    rows = map(_object, _array(_object(answer), "assignments"))
    return [_assignment(row, name, "") for row in rows]


def read_location(answer: Any) -> Location | None:
    """GET /esims/{iccid}/location; None for an eSIM that was never attached, whose fields are all empty."""
    body = _object(answer)
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
    rows = [row for row in listed if isinstance(row, Mapping)] or list(map(_object, listed))
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
    compatible = _object(answer).get("compatible")
    if not isinstance(compatible, bool):
        raise bad_answer("compatible")
    return compatible


def text(value: Any) -> str:
    """Text as PostgreSQL can hold it; numbers as their digits (ICCIDs and ids come as numbers too).

    Empty for anything else, and for text that is far longer than the provider's.
    """
    if isinstance(value, str):
        return plain_text.storable(value).strip() if len(value) <= MOST_TEXT else ""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _assignment(row: Mapping[str, Any], name: str, description: str) -> Assignment:
    # An older changelog of the provider calls the field bundleStatus.
    word = text(row.get("bundleState")) or text(row.get("bundleStatus"))
    try:
        state = AssignmentState(word.lower())
    except ValueError:
        raise bad_answer("bundleState") from None
    unlimited = _unlimited(row)
    if unlimited and state is AssignmentState.DEPLETED:
        # Throttled until the next 24 hours: an unlimited bundle is not used up before its end.
        state = AssignmentState.ACTIVE
    initial, remaining = (None, None) if unlimited else _bytes(row)
    return Assignment(
        id=_essential(row, "id"),
        name=name,
        description=description,
        reference=text(row.get("assignmentReference")),
        state=state,
        initial_bytes=initial,
        remaining_bytes=remaining,
        unlimited=unlimited,
        assigned_at=timestamps.from_provider(row.get("assignmentDateTime")),
        started_at=timestamps.from_provider(row.get("startTime")),
        ends_at=timestamps.from_provider(row.get("endTime")),
    )


def _unlimited(row: Mapping[str, Any]) -> bool:
    """Return the field `unlimited`, or else what the data allowance or a quantity of -1 implies."""
    stated = row.get("unlimited")
    if isinstance(stated, bool):
        return stated
    allowance = _data_allowance(row)
    return row.get("initialQuantity") == -1 or (
        allowance is not None and allowance.get("unlimited") is True
    )


def _bytes(row: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return initial and remaining bytes, from the quantities or the allowances that replace them.

    0 where there is certainly no data, as on an assignment of calls; None where the amount is unknown.
    """
    group, unit = text(row.get("callTypeGroup")).lower(), row.get("unit")
    if group in ("", "data"):
        initial = quantities.in_bytes(row.get("initialQuantity"), unit)
        remaining = quantities.in_bytes(row.get("remainingQuantity"), unit)
        if initial is not None and remaining is not None:
            return initial, remaining
    allowance = _data_allowance(row)
    if allowance is not None:
        unit = allowance.get("unit")
        return (
            quantities.in_bytes(allowance.get("initialAmount"), unit),
            quantities.in_bytes(allowance.get("remainingAmount"), unit),
        )
    return (0, 0) if group in NO_DATA else (None, None)


def _data_allowance(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    allowances = row.get("allowances")
    for allowance in allowances if isinstance(allowances, list) else []:
        if isinstance(allowance, Mapping) and text(allowance.get("type")).upper() == "DATA":
            return allowance
    return None


def _state(value: Any) -> ProviderState | None:
    """Guides write the states with capitals."""
    try:
        return ProviderState(text(value).lower())
    except ValueError:
        return None


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise bad_answer("an object")
    return value


def _array(body: Mapping[str, Any], name: str) -> list[Any]:
    """An empty list may come as null."""
    value = body.get(name)
    if value is None and name in body:
        return []
    if not isinstance(value, list):
        raise bad_answer(name)
    return value


def _essential(row: Mapping[str, Any], name: str) -> str:
    value = text(row.get(name))
    if not value:
        raise bad_answer(name)
    return value


def _iccid(row: Mapping[str, Any]) -> str:
    return iccid.from_json(row.get("iccid")) or _essential(row, "iccid")


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
        f"The provider's answer lacks {what} or has it in another form; try again later",
    )
