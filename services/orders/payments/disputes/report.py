"""Disputes and early fraud warnings that the payment provider has named, before they are read."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ReportKind(StrEnum):
    """What a report is: a dispute, or a card issuer's early warning."""

    DISPUTE = "DISPUTE"
    FRAUD_WARNING = "FRAUD_WARNING"


@dataclass(frozen=True, slots=True)
class Report:
    """A dispute or warning to read, under the lease of `run`.

    `acted_at` is when the operator's choice was carried out.
    """

    id: str
    kind: ReportKind
    payment_id: UUID
    acted_at: datetime | None
    looks: int
    run: UUID
