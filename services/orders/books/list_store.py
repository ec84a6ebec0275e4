"""SQL that lists the ledger and its accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection
from services.orders.books.posting import Entry


@dataclass(frozen=True, slots=True)
class Recorded:
    """One transaction of the ledger; `n` is its place in the order of posting."""

    id: UUID
    n: int
    kind: str
    order_id: UUID | None
    payment_id: UUID | None
    actor: str
    note: str
    at: datetime
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which transactions to list; None does not limit."""

    account: str | None = None
    order_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


PAGE = """
select t.id, t.n, t.kind, t.order_id, t.payment_id, t.actor, t.note, t.at
from orders.ledger_transactions t
where ($1::bigint is null or t.n < $1) and ($2::uuid is null or t.order_id = $2)
    and ($3::timestamptz is null or t.at >= $3) and ($4::timestamptz is null or t.at < $4)
    and ($5::text is null or exists (
        select from orders.ledger_entries e where e.transaction_id = t.id and e.account = $5
    ))
order by t.n desc limit $6
"""
ENTRIES = """
select e.transaction_id, e.account, e.amount, e.currency from orders.ledger_entries e
where e.transaction_id = any($1::uuid[]) order by e.transaction_id, e.n
"""


async def list_page(
    connection: Connection, wanted: Filter, before: int | None, limit: int
) -> list[Recorded]:
    """Return transactions with their entries, the newest first, from before the place `before`."""
    rows = await connection.fetch(
        PAGE, before, wanted.order_id, wanted.since, wanted.until, wanted.account, limit
    )
    entries: dict[UUID, list[Entry]] = {row["id"]: [] for row in rows}
    for row in await connection.fetch(ENTRIES, list(entries)):
        entry = Entry(row["account"], row["amount"], row["currency"])
        entries[row["transaction_id"]].append(entry)
    return [Recorded(**row, entries=entries[row["id"]]) for row in rows]


BALANCES = """
select e.account, e.currency, sum(e.amount) as amount
from orders.ledger_entries e join orders.ledger_transactions t on t.id = e.transaction_id
where ($1::timestamptz is null or t.at < $1)
group by e.account, e.currency order by e.account, e.currency
"""


async def balances(connection: Connection, at: datetime | None) -> list[Entry]:
    """Return the balance of every account in each of its currencies, before a time or now."""
    return [
        Entry(row["account"], Decimal(row["amount"]), row["currency"])
        for row in await connection.fetch(BALANCES, at)
    ]
