"""What a comparison of sales facts with the ledger finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `subject` is a ledger transaction, an order or a day."""

    code: str
    subject: str
    message: str


@dataclass
class Counts:
    """How much was compared, and what was found."""

    days: int = 0
    ledger_transactions: int = 0
    facts: int = 0
    differences: int = 0
    recorded: int = 0
