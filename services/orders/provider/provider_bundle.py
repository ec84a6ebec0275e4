"""Reads the provider's JSON about the bundles on an eSIM."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kit.values import timestamps
from kit.values.plain_text import from_json as text
from providers.esim_go.paths import fits_segment
from services.orders.order import Refund
from services.orders.provider.provider_order import amount, bad_answer

# States of an unused bundle, which can still be revoked.
UNUSED_STATES = frozenset({"processing", "queued"})
REVOKED_STATE = "revoked"
NO_REFUND = re.compile(r"\b(not|no|without|never)\b( \w+){0,2} refund|\bnon-?refund")


@dataclass(frozen=True, slots=True)
class BundleOnESIM:
    """One assignment of a bundle on an eSIM, with the order or apply reference it came from.

    `assignment_id`, `bundle_name` or `state` is empty if the provider lists it in an unknown format, or
    if it can't be a part of a path.
    """

    assignment_id: str
    bundle_name: str
    reference: str
    state: str
    touched: bool  # started, or data was used

    @property
    def readable(self) -> bool:
        """True if its id, its name and its state are known."""
        return bool(self.assignment_id and self.bundle_name and self.state)

    @property
    def unused(self) -> bool:
        return self.readable and self.state in UNUSED_STATES and not self.touched

    def belongs_to(self, order_reference: str) -> bool:
        """Compare references: a bundle has its order's, in any case, which may be followed by an index."""
        reference, wanted = self.reference.lower(), order_reference.lower()
        head, _, index = reference.rpartition("-")
        return reference == wanted or (head == wanted and index.isdigit())


def read_bundles(shape: Any) -> list[BundleOnESIM]:
    """Read the assignments of GET /esims/{iccid}/bundles, also malformed ones. A list that is null is empty.

    An assignment that is listed twice is returned once: as a used one, if one of the two says so. Raises
    Failure if the answer is not a list of bundles.
    """
    listed = shape.get("bundles", ...) if isinstance(shape, Mapping) else ...
    if not isinstance(listed, list | None):
        raise bad_answer("the bundles of an eSIM are no list")
    found: dict[object, BundleOnESIM] = {}
    for bundle in listed or []:
        rows = bundle.get("assignments") if isinstance(bundle, Mapping) else None
        if not isinstance(bundle, Mapping) or not isinstance(rows, list | None):
            rows = [None]  # one malformed assignment
        name = _name(bundle.get("name")) if isinstance(bundle, Mapping) else ""
        for one in (_assignment(row, name) for row in rows or ()):
            key = one.assignment_id or object()  # those without an id may be different ones
            if key not in found or found[key].unused:
                found[key] = one
    return list(found.values())


def _name(value: Any) -> str:
    """Return a name or an id that can be a part of a path; empty for anything else."""
    name = text(value)
    return name if fits_segment(name) else ""


def _assignment(row: Any, bundle_name: str) -> BundleOnESIM:
    shape = row if isinstance(row, Mapping) else {}
    first, left = amount(shape.get("initialQuantity")), amount(shape.get("remainingQuantity"))
    used = first is not None and left is not None and 0 <= left < first  # -1: unlimited or unknown
    return BundleOnESIM(
        assignment_id=_name(shape.get("id")),
        bundle_name=bundle_name,
        reference=text(shape.get("assignmentReference")),
        # The changelog calls it bundleStatus, the schema bundleState.
        state=text(shape.get("bundleState") or shape.get("bundleStatus")).lower(),
        touched=used or timestamps.from_provider(shape.get("startTime")) is not None,
    )


def read_refund(answer: str) -> Refund | None:
    """Read from the text of a revoke where the refund went; None if it is unclear.

    One text is documented: "Successfully Revoked Bundle, bundle has been refunded to inventory".
    """
    lower = answer.lower()
    if NO_REFUND.search(lower):
        return Refund.NONE
    if "refund" not in lower:
        return None
    places = [r for r in (Refund.BALANCE, Refund.INVENTORY) if r.value.lower() in lower]
    return places[0] if len(places) == 1 else None
