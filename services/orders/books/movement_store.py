"""SQL of the movements of the payment provider's balance; nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.books.posting import digits
from services.orders.books.postings import Moved
from services.orders.payments.port import BalanceTransaction

RECORD = """
insert into orders.balance_transactions
    (id, kind, source_id, amount, fee, currency, exchange_rate, payment_id, at)
select m.id, m.kind, m.source_id, m.amount, m.fee, m.currency, m.exchange_rate, p.id, m.at
from jsonb_to_recordset($1::jsonb) as m(
    id text, kind text, source_id text, intent_id text, amount numeric, fee numeric, currency text,
    exchange_rate numeric, at timestamptz
)
left join orders.payments p on p.intent_id = m.intent_id and m.intent_id <> ''
on conflict (id) do update set payment_id = excluded.payment_id
where balance_transactions.payment_id is null and excluded.payment_id is not null
"""


async def record(connection: Connection, movements: Sequence[BalanceTransaction]) -> None:
    """Record movements, each once, with the payment that it belongs to if it is one of ours.

    A movement may be recorded before its payment has the id of the intent, which a payment page gets late.
    The payment is then added when the movement is read again.
    """
    rows = {
        one.id: {
            "id": one.id,
            "kind": one.kind,
            "source_id": one.source_id,
            "intent_id": one.intent_id,
            "amount": f"{one.amount:f}",
            "fee": f"{one.fee:f}",
            "currency": one.currency,
            "exchange_rate": f"{one.exchange_rate:f}" if one.exchange_rate is not None else None,
            "at": one.at.isoformat(),
        }
        for one in movements
    }
    await connection.execute(RECORD, list(rows.values()))


CLAIM = """
update orders.books set balance_due_at = now() + $1::interval where balance_due_at <= now()
returning coalesce((select max(at) from orders.balance_transactions), since) as since
"""


async def claim(connection: Connection, every: timedelta) -> datetime | None:
    """Return up to when movements were recorded, if it is time to read more; one replica gets it."""
    found: datetime | None = await connection.fetchval(CLAIM, every)
    return found


# What was posted for the act that a movement is about, in the currency of the act, with the sign of the
# movement. A movement whose act is not known yet waits. For a payment that was released without being taken,
# or paid in another way, nothing was posted: neither for its charge, nor for its refund, which is made at the
# payment provider only.
UNPOSTED = """
select b.id, b.amount, b.fee, b.currency, coalesce(d.currency, p.currency) as original_currency,
    p.order_id, b.payment_id,
    case
        when (p.state = 'RELEASED' and p.captured = 0 or p.reference <> '') and r.id is null
            and (b.kind in ('charge', 'payment') or b.kind like 'refund%') then 0
        when b.kind in ('charge', 'payment') and p.captured > 0 then p.amount - p.wallet_amount
        when r.id is not null then r.amount
        when d.id is not null then d.amount
    end * case when b.amount < 0 then -1 else 1 end as original
from orders.balance_transactions b
join orders.payments p on p.id = b.payment_id
left join orders.refunds r on r.provider_id = b.source_id and r.payment_id = p.id
left join orders.disputes d on d.id = b.source_id and d.payment_id = p.id
where b.posted_at is null and b.id > $1
order by b.id limit $2
"""


async def unposted(
    connection: Connection, after: str, limit: int
) -> list[tuple[str, Moved | None]]:
    """Return movements of our payments that are not posted; None for one whose act is not known."""
    rows = await connection.fetch(UNPOSTED, after, limit)
    return [(row["id"], _moved(row) if row["original"] is not None else None) for row in rows]


def _moved(row: Any) -> Moved:
    currency = row["currency"]
    return Moved(
        row["id"],
        _exact(row["amount"], currency),
        _exact(row["fee"], currency),
        currency,
        row["original"],
        row["original_currency"],
        row["order_id"],
        row["payment_id"],
    )


def _exact(amount: Decimal, currency: str) -> Decimal:
    return round(amount, digits(currency))


async def mark_posted(connection: Connection, movement_id: str) -> None:
    await connection.execute(
        "update orders.balance_transactions set posted_at = now() where id = $1", movement_id
    )


WITHOUT_FEE = """
select id, fee, currency from orders.balance_transactions
where payment_id is not null and posted_at is null and fee <> 0 and at < $1 and id > $2
order by id limit $3
"""


async def without_fee(
    connection: Connection, before: datetime, after: str, limit: int
) -> list[Any]:
    """Return movements of our payments from before a time whose fees are not posted, by id."""
    return list(await connection.fetch(WITHOUT_FEE, before, after, limit))


MATCHED = """
select m.id, p.id as payment_id, p.order_id, p.captured, p.currency,
    p.amount - p.wallet_amount as card_amount, p.state, p.reference <> '' as by_hand,
    r.id as refund_id, r.amount as refund_amount, r.state as refund_state, d.id as dispute_id, b.posted_at,
    exists (
        select from orders.ledger_transactions t where t.key = 'dispute:' || m.source_id
    ) as dispute_posted,
    exists (
        select from orders.refunds u
        where u.payment_id = p.id and u.destination = 'CARD' and u.state in ('PLANNED', 'STARTED')
    ) as is_being_refunded
from jsonb_to_recordset($1::jsonb) as m(id text, source_id text, intent_id text)
join orders.payments p on p.intent_id = m.intent_id and m.intent_id <> ''
left join orders.refunds r on r.provider_id = m.source_id and r.payment_id = p.id
left join orders.disputes d on d.id = m.source_id and d.payment_id = p.id
left join orders.balance_transactions b on b.id = m.id
"""


async def matched(
    connection: Connection, movements: Sequence[BalanceTransaction]
) -> dict[str, Any]:
    """Return what is recorded here of movements, by the movement; those of other programs are missing."""
    wanted = [
        {"id": one.id, "source_id": one.source_id, "intent_id": one.intent_id} for one in movements
    ]
    return {row["id"]: row for row in await connection.fetch(MATCHED, wanted)}


TAKEN = """
select t.payment_id, p.intent_id, e.amount, e.currency
from orders.ledger_transactions t
join orders.ledger_entries e on e.transaction_id = t.id and e.account = 'clearing:stripe'
join orders.payments p on p.id = t.payment_id
where t.kind in ('TAKE', 'TOP_UP') and t.at >= $1 and t.at < $2
order by t.n
"""


@dataclass(frozen=True, slots=True)
class TakenByCard:
    """What the ledger has as taken by the payment provider for a payment."""

    payment_id: UUID
    intent_id: str
    amount: Decimal
    currency: str


async def taken(connection: Connection, start: datetime, end: datetime) -> list[TakenByCard]:
    """Return what was posted as taken by the payment provider in a period."""
    return [
        TakenByCard(row["payment_id"], row["intent_id"] or "", row["amount"], row["currency"])
        for row in await connection.fetch(TAKEN, start, end)
    ]
