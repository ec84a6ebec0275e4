"""Differences between books, and what a comparison has read."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from kit.values import money


class Books(StrEnum):
    """Which books differ from the ledger or from each other."""

    LEDGER = "LEDGER"
    ORDERS = "ORDERS"
    WALLETS = "WALLETS"
    RECEIVABLES = "RECEIVABLES"
    PROVIDER = "PROVIDER"
    PAYMENT_PROVIDER = "PAYMENT_PROVIDER"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: a stable code, what it is about, and what to do."""

    books: Books
    code: str
    subject: str
    message: str


@dataclass(slots=True)
class Counts:
    """What a comparison has read, and why parts of it were left out."""

    orders: int = 0
    payments: int = 0
    ledger_transactions: int = 0
    provider_orders: int = 0
    balance_transactions: int = 0
    foreign: int = 0  # movements of other programs that use the same account
    differences: int = 0
    skipped: list[str] = field(default_factory=list)


def shown(amount: Decimal, currency: str) -> str:
    """Format an amount for a message."""
    return f"{money.plain(amount):f} {currency}"
