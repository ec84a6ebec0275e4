"""Statements, their lines, and what settles them."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID


class StatementStatus(StrEnum):
    """Status of an issued statement. DUE: its due date is over, and something is left to pay."""

    OPEN = "OPEN"
    DUE = "DUE"
    PAID = "PAID"


class SettlementKind(StrEnum):
    """What reduces a statement. CARRIED: what was left over of another statement."""

    PAYMENT = "PAYMENT"
    CREDIT_NOTE = "CREDIT_NOTE"
    CARRIED = "CARRIED"


@dataclass(frozen=True, slots=True)
class Settlement:
    """A payment, a credit note, or what was carried; its `amount` reduces what is left of the statement.

    `tax` is what is in a credit note; 0 for the others.
    """

    id: UUID
    statement_id: UUID
    kind: SettlementKind
    n: int | None
    amount: Decimal
    key: str
    paid_on: date | None
    note: str
    other_n: int | None
    actor: str
    at: datetime
    tax: Decimal

    @property
    def number(self) -> str:
        """Return the number of a credit note; empty for the others."""
        return "" if self.n is None else f"CN-{self.n:06d}"


@dataclass(frozen=True, slots=True)
class Statement:
    """What an organization bought on account in a calendar month.

    `settled` is what was paid, credited or carried; `overdue` is true if its due date is over.
    """

    id: UUID
    n: int
    organization_id: UUID
    month: date
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    currency: str
    total: Decimal
    tax: Decimal
    due_on: date
    name: str
    billing_address: str
    country: str
    tax_id: str
    locale: str
    issuer: str
    payable_to: str
    issued_at: datetime
    line_count: int
    settled: Decimal
    overdue: bool

    @property
    def number(self) -> str:
        return number(self.n)

    @property
    def left(self) -> Decimal:
        """Return what is left to pay; negative if too much was paid or credited."""
        return self.total - self.settled

    @property
    def status(self) -> StatementStatus:
        if self.left <= 0:
            return StatementStatus.PAID
        return StatementStatus.DUE if self.overdue else StatementStatus.OPEN


def number(n: int) -> str:
    """Return the number of a statement as it is shown."""
    return f"ST-{n:06d}"


@dataclass(frozen=True, slots=True)
class Line:
    """One ledger transaction of a statement; amounts are negative for a refund, and include the tax."""

    position: int
    kind: str
    at: datetime
    order_id: UUID
    description: str
    reference: str
    group_name: str
    quantity: int
    amount: Decimal
    tax: Decimal
    tax_country: str


@dataclass(frozen=True, slots=True)
class CreditAccount:
    """What an organization may buy on account, and what it owes."""

    organization_id: UUID
    currency: str
    credit_limit: Decimal
    reserved: Decimal
    owed: Decimal
    unbilled: Decimal

    @property
    def available(self) -> Decimal:
        """Return what it can still buy."""
        return max(self.credit_limit - self.reserved - self.owed, Decimal(0))
