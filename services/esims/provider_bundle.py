"""Reads the provider's JSON about the bundles on an eSIM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kit.errors import Failure
from kit.values import quantities, timestamps
from kit.values.plain_text import MAX_TEXT
from kit.values.plain_text import from_json as text
from services.esims.bundle import Assignment, AssignmentState
from services.esims.provider_esim import array, bad_answer, essential, object_

# Groups of assignments that hold no data.
NO_DATA = frozenset({"voice", "call", "calls", "sms", "text", "texts"})


@dataclass(frozen=True, slots=True)
class Listing:
    """The readable assignments of an eSIM; `skipped` others are in an unknown format."""

    assignments: list[Assignment]
    skipped: int = 0


def read_bundles(answer: Any) -> Listing:
    """Read GET /esims/{iccid}/bundles: the assignments of all bundles, each once.

    Raises Failure if there are assignments and none can be read.
    """
    found: dict[str, Assignment] = {}
    skipped: list[Failure] = []
    for bundle in array(object_(answer), "bundles"):
        try:
            name = essential(object_(bundle), "name")
            description = text(bundle.get("description"), MAX_TEXT)
            rows = array(bundle, "assignments")
        except Failure as failure:
            skipped.append(failure)
            continue
        for row in rows:
            try:
                assignment = _assignment(object_(row), name, description)
            except Failure as failure:
                skipped.append(failure)
            else:
                found[assignment.id] = assignment
    if skipped and not found:
        raise skipped[0]
    return Listing(list(found.values()), len(skipped))


def read_assignments(answer: Any, name: str) -> list[Assignment]:
    """Read GET /esims/{iccid}/bundles/{name}, as `read_bundles` does."""
    return read_bundles({"bundles": [{**object_(answer), "name": name}]}).assignments


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
    if state is AssignmentState.DEPLETED and remaining is None:
        remaining = 0  # the reported amount may be negative, if more was used than included
    assigned_at = timestamps.from_provider(row.get("assignmentDateTime"))
    started_at = timestamps.from_provider(row.get("startTime"))
    ends_at = timestamps.end_of(timestamps.from_provider(row.get("endTime")), started_at)
    return Assignment(
        id=essential(row, "id"),
        name=name,
        description=description,
        reference=text(row.get("assignmentReference")),
        state=state,
        initial_bytes=initial,
        remaining_bytes=remaining,
        unlimited=unlimited,
        assigned_at=assigned_at,
        started_at=started_at,
        ends_at=timestamps.end_of(ends_at, assigned_at),
    )


def _unlimited(row: Mapping[str, Any]) -> bool:
    """Return the field `unlimited`, or else what the data allowance or an amount of -1 implies."""
    stated = row.get("unlimited")
    if isinstance(stated, bool):
        return stated
    allowance = _data_allowance(row) or {}
    amounts = (row.get("initialQuantity"), allowance.get("initialAmount"))
    return allowance.get("unlimited") is True or any(map(_is_minus_one, amounts))


def _is_minus_one(amount: Any) -> bool:
    return amount.strip() == "-1" if isinstance(amount, str) else bool(amount == -1)


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
