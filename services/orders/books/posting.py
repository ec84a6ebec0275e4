"""Ledger transactions before they are recorded: balanced, and with the digits of their currencies."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

STRIPE = "clearing:stripe"
MANUAL = "clearing:manual"
ELSEWHERE = "clearing:elsewhere"
PROVIDER = "clearing:provider"
DEPOSITS = "deposits"
REVENUE = "revenue"
COST = "cost"
REFUNDS = "refunds"
FEES = "fees"
DISPUTES = "disputes"
FX = "fx"
LOSSES = "losses"
RECEIVABLE = "receivable"
NONE = Decimal(0)
# The digits of ISO 4217, as in the function orders.currency_digits, which fees of a payment provider have.
# Prices have those of CLDR, which are fewer for some currencies.
ZERO_DIGITS = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
        *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)
THREE_DIGITS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


class PostingKind(StrEnum):
    """What a ledger transaction is about."""

    TAKE = "TAKE"
    SALE = "SALE"
    COST = "COST"
    COST_RETURN = "COST_RETURN"
    SALE_RETURN = "SALE_RETURN"
    REFUND = "REFUND"
    REFUND_FAILURE = "REFUND_FAILURE"
    TOP_UP = "TOP_UP"
    CORRECTION = "CORRECTION"
    FEE = "FEE"
    DISPUTE = "DISPUTE"
    DISPUTE_RETURN = "DISPUTE_RETURN"
    WALLET_DISPUTE = "WALLET_DISPUTE"
    WALLET_DISPUTE_RETURN = "WALLET_DISPUTE_RETURN"
    DEPOSIT_DISPUTE = "DEPOSIT_DISPUTE"
    DEPOSIT_DISPUTE_RETURN = "DEPOSIT_DISPUTE_RETURN"
    STATEMENT_PAYMENT = "STATEMENT_PAYMENT"
    CREDIT_NOTE = "CREDIT_NOTE"


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a posting; a positive amount is a debit."""

    account: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Posting:
    """One act in the ledger. `key` names the act, which is posted once."""

    kind: PostingKind
    key: str
    entries: tuple[Entry, ...] = field(default=())
    order_id: UUID | None = None
    payment_id: UUID | None = None
    note: str = ""

    @property
    def balanced(self) -> bool:
        """True if the entries sum to zero in each currency."""
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for entry in self.entries:
            sums[entry.currency] += entry.amount
        return not any(sums.values())

    def equals(self, kind: str, entries: list[Entry]) -> bool:
        """Return whether a recorded transaction says the same, whatever the order of its entries."""
        return self.kind == kind and Counter(self.entries) == Counter(entries)


def digits(currency: str) -> int:
    """Return how many decimal places an amount in the ledger may have."""
    return 0 if currency in ZERO_DIGITS else 3 if currency in THREE_DIGITS else 2


def build(
    kind: PostingKind,
    key: str,
    lines: list[tuple[str, Decimal]],
    currency: str,
    *,
    order_id: UUID | None = None,
    payment_id: UUID | None = None,
    note: str = "",
) -> Posting | None:
    """Build a posting in one currency of (account, amount); None without any amount."""
    entries = [Entry(account, amount, currency) for account, amount in lines]
    return checked(kind, key, entries, order_id, payment_id, note)


def checked(
    kind: PostingKind,
    key: str,
    entries: list[Entry],
    order_id: UUID | None,
    payment_id: UUID | None,
    note: str,
) -> Posting | None:
    """Build a posting without entries whose amount is zero; None if no entry is left.

    Raises ValueError if an amount has too many digits, or the entries don't balance.
    """
    kept = tuple(entry for entry in entries if entry.amount)
    for entry in kept:
        if entry.amount != round(entry.amount, digits(entry.currency)):
            raise ValueError(f"{entry.amount} {entry.currency} can't be posted: too many digits")
    posting = Posting(kind, key, kept, order_id, payment_id, note)
    if not posting.balanced:
        raise ValueError(f"the posting {key} does not balance")
    return posting if kept else None


def wallet_account(wallet_id: UUID) -> str:
    return f"wallet:{wallet_id}"


def receivable_account(organization_id: UUID | None) -> str:
    """Return the account of what an organization owes for what it bought on account."""
    if organization_id is None:
        raise ValueError("only an organization buys on account")
    return f"{RECEIVABLE}:{organization_id}"
