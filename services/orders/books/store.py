"""SQL of the ledger: posting, and what was posted before; nothing here commits."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.books.posting import Entry, Posting
from services.orders.books.postings import GivenBack


class PostedDifferentlyError(Exception):
    """An act is in the ledger already, with other entries. Nothing corrects that by itself: it is a bug."""


POST = """
with given as (
    select * from jsonb_to_recordset($1::jsonb)
        as g(kind text, key text, order_id uuid, payment_id uuid, note text, entries jsonb)
),
posted as (
    insert into orders.ledger_transactions (kind, key, order_id, payment_id, actor, note)
    select kind, key, order_id, payment_id, $2, note from given order by key
    on conflict (key) do nothing
    returning id, key
),
entries as (
    insert into orders.ledger_entries (transaction_id, n, account, amount, currency)
    select posted.id, e.n, e.entry ->> 0, (e.entry ->> 1)::numeric, e.entry ->> 2
    from posted join given using (key)
    cross join lateral jsonb_array_elements(given.entries) with ordinality as e(entry, n)
)
select key from posted
"""


async def post(connection: Connection, *postings: Posting | None, actor: str) -> frozenset[str]:
    """Record postings in one statement, and return the keys of those that are new.

    A posting that is None has nothing to record. One that was recorded before is skipped if it is the same.
    Raises PostedDifferentlyError otherwise, and for two different postings of one key.
    """
    wanted = {posting.key: posting for posting in postings if posting is not None}
    if not wanted:
        return frozenset()
    rows = await connection.fetch(POST, [_row(p) for p in wanted.values()], actor)
    new = frozenset(row["key"] for row in rows)
    await _check_same(connection, [p for p in wanted.values() if p.key not in new])
    return new


def _row(posting: Posting) -> dict[str, Any]:
    return {
        "kind": posting.kind,
        "key": posting.key,
        "order_id": str(posting.order_id) if posting.order_id else None,
        "payment_id": str(posting.payment_id) if posting.payment_id else None,
        "note": posting.note,
        "entries": [(e.account, f"{e.amount:f}", e.currency) for e in posting.entries],
    }


async def _check_same(connection: Connection, repeated: Sequence[Posting]) -> None:
    if not repeated:
        return
    recorded = await posted(connection, [posting.key for posting in repeated])
    for posting in repeated:
        kind, entries = recorded[posting.key]
        if not posting.equals(kind, entries):
            raise PostedDifferentlyError(posting.key)


POSTED = """
select t.key, t.kind, e.account, e.amount, e.currency
from orders.ledger_transactions t join orders.ledger_entries e on e.transaction_id = t.id
where t.key = any($1::text[]) order by t.key, e.n
"""


async def posted(connection: Connection, keys: Iterable[str]) -> dict[str, tuple[str, list[Entry]]]:
    """Return the kind and the entries of acts that are in the ledger, by key."""
    found: dict[str, tuple[str, list[Entry]]] = {}
    for row in await connection.fetch(POSTED, list(keys)):
        _, entries = found.setdefault(row["key"], (row["kind"], []))
        entries.append(Entry(row["account"], row["amount"], row["currency"]))
    return found


GIVEN_BACK = """
select coalesce(sum(e.amount), 0) as amount,
    coalesce(sum(e.amount) filter (where e.account like 'tax:%'), 0) as tax
from orders.ledger_transactions t join orders.ledger_entries e on e.transaction_id = t.id
where t.payment_id = $1 and t.kind in ('REFUND', 'REFUND_FAILURE')
    and (e.account in ('refunds', 'deposits') or e.account like 'tax:%')
"""


async def given_back(connection: Connection, payment_id: UUID) -> GivenBack:
    """Return what was posted as refunded of a payment; the caller has locked the payment."""
    row = await connection.fetchrow(GIVEN_BACK, payment_id)
    return GivenBack(row["amount"], row["tax"]) if row else GivenBack()


DEPOSIT = """
select coalesce(-sum(e.amount), 0) from orders.ledger_transactions t
join orders.ledger_entries e on e.transaction_id = t.id
where t.order_id = $1 and e.account = 'deposits'
"""


async def deposit(connection: Connection, order_id: UUID) -> Decimal:
    """Return what the ledger has left of an order's deposit; the caller has locked the payment."""
    return Decimal(await connection.fetchval(DEPOSIT, order_id))


DISPUTED = """
select t.kind, sum(e.amount) as amount, count(*)::int as number
from orders.ledger_transactions t join orders.ledger_entries e on e.transaction_id = t.id
where t.payment_id = $1 and t.kind in ('DISPUTE', 'DISPUTE_RETURN') and split_part(t.key, ':', 2) = $2
    and e.account = 'disputes'
group by t.kind
"""


async def disputed(
    connection: Connection, payment_id: UUID, dispute_id: str
) -> dict[str, tuple[Decimal, int]]:
    """Return the sum and the number of postings of what a dispute took or returned, by their kind.

    The caller has locked the payment.
    """
    rows = await connection.fetch(DISPUTED, payment_id, dispute_id)
    return {row["kind"]: (row["amount"], row["number"]) for row in rows}


RETURNED = """
select coalesce(-sum(e.amount) filter (where e.account = 'cost'), 0) as cost,
    coalesce(-sum(e.amount) filter (where e.account = 'clearing:elsewhere'), 0) as amount,
    coalesce(sum(e.amount) filter (where e.account like 'tax:%'), 0) as tax
from orders.ledger_transactions t join orders.ledger_entries e on e.transaction_id = t.id
where t.order_id = $1 and t.kind in ('COST_RETURN', 'SALE_RETURN')
"""


async def returned(connection: Connection, order_id: UUID) -> tuple[Decimal, GivenBack]:
    """Return what was posted as returned of an order's cost, and of its sale if it is not paid here."""
    row = await connection.fetchrow(RETURNED, order_id)
    if row is None:
        return Decimal(0), GivenBack()
    return row["cost"], GivenBack(row["amount"], row["tax"])


IS_SOLD = "select exists (select from orders.ledger_transactions where key = 'sale:' || $1::text)"


async def is_sold(connection: Connection, order_id: UUID) -> bool:
    """Return whether the sale of an order is in the ledger."""
    return bool(await connection.fetchval(IS_SOLD, str(order_id)))
