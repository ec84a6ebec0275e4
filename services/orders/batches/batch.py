"""Batches: bulk purchases, whose status and counts are computed from their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from services.orders.traveler import Traveler

# Limits that clients rely on.
MAX_ITEMS = 1000
MAX_ESIMS = 2000
MAX_NAME = 200
# Estimated seconds for the call and the delivery of one order of a batch. The pause between orders, which the
# provider demands, comes in addition.
ORDER_TIME = 0.5


class ErrorPolicy(StrEnum):
    """What happens to the other rows when one row fails."""

    REJECT_ALL = "REJECT_ALL"
    SKIP_FAILED = "SKIP_FAILED"
    STOP_ON_FAILURE = "STOP_ON_FAILURE"


class Waiting(StrEnum):
    """Why a batch places no order at the moment."""

    NOTHING = ""
    BALANCE = "BALANCE"
    SUSPENDED = "SUSPENDED"
    LIMIT = "LIMIT"


class ItemStatus(StrEnum):
    """Status of a row, derived from its planned order and its order by `ITEM_STATUS` in read_store.py."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class BatchStatus(StrEnum):
    """Status of a batch."""

    SCHEDULED = "SCHEDULED"
    PROCESSING = "PROCESSING"
    WAITING_FOR_BALANCE = "WAITING_FOR_BALANCE"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINISHED = frozenset(
    {BatchStatus.COMPLETED, BatchStatus.PARTIAL, BatchStatus.FAILED, BatchStatus.CANCELLED}
)
REASONS = {
    Waiting.BALANCE: "The balance is too low for the next order; the batch continues once it suffices.",
    Waiting.SUSPENDED: "The organization is suspended; the batch continues once it is active again.",
    Waiting.LIMIT: "A purchase limit is reached; the batch continues as soon as it allows.",
}
STOPPING = "The batch was cancelled; orders that the provider may have received are finished."
SCHEDULED = "The first order is placed at the time that was set."


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault of a row or of a batch; `field` is empty if it concerns the whole."""

    field: str
    code: str
    message: str

    @property
    def named(self) -> str:
        """The message with its field in front; a whole sentence stays as it is."""
        return f"{self.field}: {self.message}" if self.message[:1].islower() else self.message


@dataclass(frozen=True, slots=True)
class Row:
    """A requested row; `problems` are the faults of its fields, `plan_id` is None if it is malformed."""

    position: int
    plan_id: UUID | None
    quantity: int
    esim_id: UUID | None
    traveler: Traveler | None
    reference: str
    problems: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A requested batch; `fingerprint` identifies its content."""

    organization_id: UUID | None
    group_id: UUID | None
    name: str
    rows: Sequence[Row]
    policy: ErrorPolicy
    max_total: Decimal | None
    max_currency: str  # the currency of max_total; empty: that of the batch
    not_before: datetime | None
    currency: (
        str  # the currency to pay in; empty: the organization's, or that of the first price list
    )
    fingerprint: bytes = b""


@dataclass(frozen=True, slots=True)
class Planned:
    """An order that a batch plans: at most ten eSIMs of one plan, for these rows."""

    plan_id: UUID
    quantity: int
    esim_id: UUID | None
    positions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows have each status, and the eSIMs of all rows and of the delivered ones."""

    pending: int = 0
    processing: int = 0
    delivered: int = 0
    failed: int = 0
    cancelled: int = 0
    esims: int = 0
    esims_delivered: int = 0
    orders_pending: int = 0
    expected: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    changed_at: datetime | None = (
        None  # when an order of the batch last changed; None without orders
    )

    @property
    def items(self) -> int:
        return self.pending + self.processing + self.delivered + self.failed + self.cancelled

    @property
    def open(self) -> bool:
        """True while a row is not settled."""
        return self.pending + self.processing > 0


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch with its counts; money in units of `currency`, times in UTC.

    `early` is True before the time `not_before`.
    """

    id: UUID
    customer_id: UUID
    organization_id: UUID | None
    group_id: UUID | None
    name: str
    policy: ErrorPolicy
    currency: str
    max_total: Decimal | None
    not_before: datetime | None
    waiting: Waiting
    cancelled_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    fingerprint: bytes
    early: bool
    counts: Counts = Counts()

    @property
    def status(self) -> BatchStatus:
        """The status, computed from the rows."""
        counts = self.counts
        if not counts.open:
            if counts.delivered == counts.items:
                return BatchStatus.COMPLETED
            if self.cancelled_at is not None and counts.cancelled:
                return BatchStatus.CANCELLED
            return BatchStatus.PARTIAL if counts.delivered else BatchStatus.FAILED
        if self.cancelled_at is None:
            if self.waiting is Waiting.BALANCE:
                return BatchStatus.WAITING_FOR_BALANCE
            if self.waiting:
                return BatchStatus.PAUSED
            if self._scheduled:
                return BatchStatus.SCHEDULED
        return BatchStatus.PROCESSING

    @property
    def finished(self) -> bool:
        """True if no row is pending or being processed."""
        return self.status in FINISHED

    @property
    def ended_at(self) -> datetime | None:
        """When the last row was settled, which the worker records a moment later; None while one is open."""
        if not self.finished:
            return None
        return self.finished_at or self.cancelled_at or self.counts.changed_at or self.created_at

    @property
    def reason(self) -> str:
        """Explanation of the status for people; often empty."""
        if self.finished:
            return ""
        if self.cancelled_at is not None:
            return STOPPING
        return SCHEDULED if self.status is BatchStatus.SCHEDULED else REASONS.get(self.waiting, "")

    @property
    def _scheduled(self) -> bool:
        return self.early and self.counts.pending == self.counts.items - self.counts.failed


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a batch, with the order that buys it and what was delivered for it."""

    position: int
    plan_id: UUID | None
    plan_title: str
    quantity: int
    esim_id: UUID | None
    traveler: Traveler | None
    reference: str
    status: ItemStatus
    order_id: UUID | None
    iccids: Sequence[str]
    code: str
    error: str
    attempts: int
    total_price: Decimal | None
