"""Bundles on an eSIM: the provider's assignments, the state that customers see, and usage totals."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from uuid import UUID

BYTES_PER_MB = Decimal(10) ** 6  # base 10, as the provider counts
THREE_PLACES = Decimal("0.001")
NEVER = datetime.min.replace(tzinfo=UTC)


class AssignmentState(StrEnum):
    """The provider's lifecycle states of an assignment, in their order."""

    PROCESSING = "processing"
    QUEUED = "queued"
    ACTIVE = "active"
    DEPLETED = "depleted"
    EXPIRED = "expired"
    LAPSED = "lapsed"
    REVOKED = "revoked"


class BundleState(StrEnum):
    """State of a bundle that customers see."""

    PROCESSING = "PROCESSING"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    SUSPENDED = "SUSPENDED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


# A bundle that a callback announced without an assignment id has this prefix and its name as id, until
# the bundles are fetched.
ANNOUNCED = "announced:"
USABLE = frozenset({AssignmentState.PROCESSING, AssignmentState.QUEUED, AssignmentState.ACTIVE})
SHOWN = {
    AssignmentState.PROCESSING: BundleState.PROCESSING,
    AssignmentState.QUEUED: BundleState.INACTIVE,
    AssignmentState.ACTIVE: BundleState.ACTIVE,
    AssignmentState.DEPLETED: BundleState.EXPIRED,
    AssignmentState.EXPIRED: BundleState.EXPIRED,
    AssignmentState.LAPSED: BundleState.EXPIRED,
    AssignmentState.REVOKED: BundleState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Assignment:
    """One bundle put on one eSIM, as the provider reports it.

    Bytes are base 10; 0 if it includes no data, None if unlimited or unknown.
    `reference` is the provider's order or apply reference with `-<index>` appended.
    """

    id: str
    name: str
    description: str
    reference: str
    state: AssignmentState
    initial_bytes: int | None
    remaining_bytes: int | None
    unlimited: bool
    assigned_at: datetime | None
    started_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A stored assignment; `read_at` is when the provider was queried about it.

    `absent` is true if the provider's full list no longer contains it: it was removed from the eSIM.
    `ended_at` is when it was used up or its time was over, None if it has not ended or was revoked.
    """

    esim_id: UUID
    assignment: Assignment
    absent: bool
    esim_suspended: bool
    read_at: datetime
    esim_deactivated: bool = False
    ended_at: datetime | None = None

    @property
    def removed(self) -> bool:
        """True if it was removed from the eSIM, or the eSIM was deleted."""
        return self.absent or self.esim_deactivated

    @property
    def usable(self) -> bool:
        """True if it gives service now, or may later."""
        return not self.removed and self.assignment.state in USABLE

    @property
    def in_force(self) -> bool:
        """True while its duration runs and data is left."""
        return not self.removed and self.assignment.state is AssignmentState.ACTIVE

    @property
    def revoked(self) -> bool:
        """True if it was removed from the eSIM before its end."""
        return self.state is BundleState.CANCELLED

    @property
    def state(self) -> BundleState:
        """The state that the customer sees; a suspension only affects a bundle in force."""
        if self.removed and self.assignment.state in USABLE:
            return BundleState.CANCELLED
        if self.in_force and self.esim_suspended:
            return BundleState.SUSPENDED
        return SHOWN[self.assignment.state]

    @property
    def remaining_bytes(self) -> int | None:
        return None if self.assignment.unlimited else self.assignment.remaining_bytes

    @property
    def used_bytes(self) -> int | None:
        """Bytes used; never negative, even if the provider increases the remaining bytes."""
        initial, remaining = self.assignment.initial_bytes, self.remaining_bytes
        return None if initial is None or remaining is None else max(0, initial - remaining)


@dataclass(frozen=True, slots=True)
class Usage:
    """Totals of the usable bundles on one eSIM, or else of the bundle that ended last.

    Bytes are None when unlimited or unknown; `as_of` is that of the oldest value.
    """

    used_bytes: int | None
    remaining_bytes: int | None
    active_bundles: int
    as_of: datetime | None


def by_esim(bundles: Iterable[Bundle]) -> defaultdict[UUID, list[Bundle]]:
    """Group bundles by eSIM, in the given order; an eSIM without bundles has an empty list."""
    groups: defaultdict[UUID, list[Bundle]] = defaultdict(list)
    for bundle in bundles:
        groups[bundle.esim_id].append(bundle)
    return groups


def usage_of(bundles: Sequence[Bundle], *, as_of: datetime | None) -> Usage:
    """Total an eSIM's bundles, newest first; `as_of` is when they were last fetched, or None."""
    counted = [bundle for bundle in bundles if bundle.usable]
    ended = [bundle for bundle in bundles if bundle.state is BundleState.EXPIRED]
    if not counted and ended:
        # Otherwise a bundle that was just used up would be shown as no usage at all.
        counted = [max(ended, key=lambda bundle: bundle.ended_at or NEVER)]
    unread = not counted and as_of is None
    return Usage(
        used_bytes=None if unread else _sum(b.used_bytes for b in counted),
        remaining_bytes=None if unread else _sum(b.remaining_bytes for b in counted),
        active_bundles=sum(b.state is BundleState.ACTIVE for b in counted),
        as_of=min((b.read_at for b in counted), default=as_of),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def megabytes(count: int) -> Decimal:
    """Convert bytes to MB, rounded half up to three places."""
    return (count / BYTES_PER_MB).quantize(THREE_PLACES, ROUND_HALF_UP)
