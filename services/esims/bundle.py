"""Bundles on an eSIM: the provider's assignments, what customers see of them, and sums of their use."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from uuid import UUID

BYTES_PER_MB = Decimal(10) ** 6  # base 10, as the provider counts
THREE_PLACES = Decimal("0.001")


class AssignmentState(StrEnum):
    """The provider's words for where an assignment is in its life, in that order."""

    PROCESSING = "processing"
    QUEUED = "queued"
    ACTIVE = "active"
    DEPLETED = "depleted"
    EXPIRED = "expired"
    LAPSED = "lapsed"
    REVOKED = "revoked"


class BundleState(StrEnum):
    """What customers see."""

    PROCESSING = "PROCESSING"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    SUSPENDED = "SUSPENDED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


# Before the name of a bundle that was announced without the provider's assignment id: its id until
# the provider was read.
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
    """One bundle put on one eSIM, as the provider tells it.

    Bytes are base 10, 0 for those that are not of data, and None when unlimited or unknown.
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
    """An assignment as it is kept; `read_at` is when the provider was asked for it.

    `absent`: the provider's full list no longer holds it, so it was taken off the eSIM.
    """

    esim_id: UUID
    assignment: Assignment
    absent: bool
    esim_suspended: bool
    read_at: datetime
    esim_deactivated: bool = False

    @property
    def removed(self) -> bool:
        """True if it was taken off the eSIM, or the eSIM was deleted."""
        return self.absent or self.esim_deactivated

    @property
    def usable(self) -> bool:
        """Whether it gives service, or may yet."""
        return not self.removed and self.assignment.state in USABLE

    @property
    def in_force(self) -> bool:
        """Whether its duration runs and data is left."""
        return not self.removed and self.assignment.state is AssignmentState.ACTIVE

    @property
    def revoked(self) -> bool:
        """Whether it was taken off the eSIM before its end."""
        return self.state is BundleState.CANCELLED

    @property
    def state(self) -> BundleState:
        """What the customer sees; only a bundle in force is held back by a suspension."""
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
        """Never negative, should the provider add to what is left."""
        initial, remaining = self.assignment.initial_bytes, self.remaining_bytes
        return None if initial is None or remaining is None else max(0, initial - remaining)


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over the bundles of one eSIM that are in force or not yet used, or else its last bundle's.

    Bytes are None when unlimited or unknown; `as_of` is that of the oldest value.
    """

    used_bytes: int | None
    remaining_bytes: int | None
    active_bundles: int
    as_of: datetime | None


def usage_of(bundles: Sequence[Bundle], *, as_of: datetime | None) -> Usage:
    """`bundles` are the eSIM's, newest first; `as_of` is when they were last read, None: never."""
    counted = [bundle for bundle in bundles if bundle.usable]
    if not counted:
        # Else the last step of using it up would show as nothing used and nothing left.
        counted = [b for b in bundles if b.state is BundleState.EXPIRED][:1]
    unread = not counted and as_of is None
    return Usage(
        used_bytes=None if unread else _sum(b.used_bytes for b in counted),
        remaining_bytes=None if unread else _sum(b.remaining_bytes for b in counted),
        active_bundles=sum(b.state is BundleState.ACTIVE for b in counted),
        as_of=min((b.read_at for b in counted), default=as_of),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    """None when one of them is."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def megabytes(count: int) -> Decimal:
    """Bytes as MB, rounded half up to three places."""
    return (count / BYTES_PER_MB).quantize(THREE_PLACES, ROUND_HALF_UP)
