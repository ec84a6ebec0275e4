"""SQL that reads pages of what the ledger is compared with. All pages are ordered by id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.order import Order
from services.orders.payment import Payment, Refund
from services.orders.payments.refunds.refund_store import COLUMNS as REFUND_COLUMNS
from services.orders.payments.refunds.refund_store import read_row as read_refund
from services.orders.payments.store import COLUMNS as PAYMENT_COLUMNS
from services.orders.payments.store import read_row as read_payment
from services.orders.provider.provider_order import spellings
from services.orders.store import ALL_COLUMNS
from services.orders.store import read_row as read_order

PAGE = 500
FIRST = UUID(int=0)


async def since(connection: Connection) -> datetime:
    """Return when the books began."""
    found: datetime = await connection.fetchval("select since from orders.books")
    return found


UNBALANCED = """
select t.id, e.currency, sum(e.amount) as off, count(*) over () as number
from orders.ledger_transactions t join orders.ledger_entries e on e.transaction_id = t.id
where t.at >= $1 and t.at < $2
group by t.id, e.currency having sum(e.amount) <> 0
order by t.id limit 500
"""
COUNT = "select count(*) from orders.ledger_transactions where at >= $1 and at < $2"


async def unbalanced(connection: Connection, start: datetime, end: datetime) -> list[Any]:
    """Return transactions that don't sum to zero, at most 500."""
    return list(await connection.fetch(UNBALANCED, start, end))


async def count(connection: Connection, start: datetime, end: datetime) -> int:
    return int(await connection.fetchval(COUNT, start, end))


PAYMENTS = f"""
select {PAYMENT_COLUMNS}, h.wallet_id as hold_wallet_id, o.status as order_status,
    (
        select count(*) from orders.ledger_transactions t
        where t.payment_id = p.id and t.kind in ('TAKE', 'TOP_UP')
    )::int as posted,
    (
        select coalesce(sum(case when d.currency = p.currency then d.amount else p.captured end), 0)
        from orders.disputes d where d.payment_id = p.id and (d.withdrawn or d.status = 'lost')
    ) as withdrawn,
    coalesce(f.amount - (
        select coalesce(sum(n.amount), 0) from orders.refunds n
        where n.payment_id = p.id and n.state <> 'FAILED' and n.reason <> 'CANCELLED' and n.created_at >= f.at
    ), 0) as promised
from orders.payments p
left join lateral (
    select sum(r.amount) as amount, min(r.updated_at) as at from orders.refunds r
    where r.payment_id = p.id and r.reason = 'CANCELLED' and r.state = 'FAILED'
) f on true
left join orders.wallet_entries h on h.payment_id = p.id and h.kind in ('HOLD', 'TOP_UP')
left join orders.esim_orders o on o.id = p.order_id
where p.id > $1 and p.created_at < $3 and (
    p.updated_at >= $2
    -- Of a failed order, whatever its age, as long as money is left to refund.
    or (p.state in ('PAID', 'RELEASED') and p.refunded < p.captured and o.status = 'FAILED')
    -- The same of a cancelled order whose refund failed.
    or (p.refunded < p.captured and p.id in (
        select r.payment_id from orders.refunds r where r.reason = 'CANCELLED' and r.state = 'FAILED'
    ))
)
order by p.id limit {PAGE}
"""  # noqa: S608 - only constants go in


@dataclass(frozen=True, slots=True)
class CheckedPayment:
    """A payment with the wallet that paid or got it, its order's status, and how often it was posted.

    `withdrawn` is what disputes have taken back. `promised` is what cancellations gave back by refunds that
    failed, less what was refunded since.
    """

    payment: Payment
    wallet_id: UUID | None
    order_status: str | None
    posted: int
    withdrawn: Decimal
    promised: Decimal


async def payments(
    connection: Connection, after: UUID, start: datetime, end: datetime
) -> list[CheckedPayment]:
    found = []
    for row in await connection.fetch(PAYMENTS, after, start, end):
        values = dict(row)
        wallet, status = values.pop("hold_wallet_id"), values.pop("order_status")
        sums = [values.pop(name) for name in ("posted", "withdrawn", "promised")]
        found.append(CheckedPayment(read_payment(values), wallet, status, *sums))
    return found


# Refunds and their postings are read by one statement: a second one could see a refund that settled in
# between.
REFUNDS = f"""
select {REFUND_COLUMNS}, (
        select -sum(e.amount) from orders.ledger_transactions t
        join orders.ledger_entries e on e.transaction_id = t.id and e.amount < 0
        where t.key = 'refund:' || r.id
    ) as posted,
    exists (
        select from orders.ledger_transactions t where t.key = 'refund_failure:' || r.id
    ) as reversed
from orders.refunds r
where r.id > $1 and r.created_at < $3
    and (r.updated_at >= $2 or r.state in ('PLANNED', 'STARTED')) -- not made yet, whatever its age
order by r.id limit {PAGE}
"""  # noqa: S608 - the same


@dataclass(frozen=True, slots=True)
class CheckedRefund:
    """A refund with the amount that is posted, None if it is not, and whether that was reversed."""

    refund: Refund
    posted: Decimal | None
    reversed: bool


async def refunds(
    connection: Connection, after: UUID, start: datetime, end: datetime
) -> list[CheckedRefund]:
    found = []
    for row in await connection.fetch(REFUNDS, after, start, end):
        values = dict(row)
        posted, reversed_ = values.pop("posted"), values.pop("reversed")
        found.append(CheckedRefund(read_refund(values), posted, reversed_))
    return found


ORDERS = f"""
select {ALL_COLUMNS}, u.at > now() - interval '10 minutes' as waits,
    least(o.quantity, (
        select count(*) from orders.order_revocations r
        where r.order_id = o.id and r.state = 'REVOKED' and r.refund = 'BALANCE'
    ))::int as returned,
    (
        select coalesce(-sum(e.amount), 0) from orders.ledger_transactions t
        join orders.ledger_entries e on e.transaction_id = t.id
        where t.order_id = o.id and t.kind = 'COST_RETURN' and e.account = 'cost'
    ) as returned_cost,
    (
        select coalesce(sum(e.amount), 0) from orders.ledger_transactions t
        join orders.ledger_entries e on e.transaction_id = t.id
        where t.order_id = o.id and e.account = 'deposits'
    ) as deposits
from orders.esim_orders o left join orders.unposted_orders u on u.order_id = o.id
where o.id > $1 and o.updated_at >= $2 and o.created_at < $3
    and o.created_at >= (select b.since from orders.books b)
    and o.status in ('COMPLETED', 'CANCELLED', 'REFUNDED')
order by o.id limit {PAGE}
"""  # noqa: S608 - the same


@dataclass(frozen=True, slots=True)
class CheckedOrder:
    """A delivered order with its cost; `waits` if a background job will post it soon."""

    order: Order
    waits: bool
    returned: int
    returned_cost: Decimal
    deposits: Decimal

    @property
    def is_being_cancelled(self) -> bool:
        return self.order.status == "COMPLETED" and self.order.cancel_requested_at is not None


async def orders(
    connection: Connection, after: UUID, start: datetime, end: datetime
) -> list[CheckedOrder]:
    found = []
    for row in await connection.fetch(ORDERS, after, start, end):
        values = dict(row)
        own = [values.pop(name) for name in ("waits", "returned", "returned_cost", "deposits")]
        found.append(CheckedOrder(read_order(values), bool(own[0]), *own[1:]))
    return found


# The last order of a page is returned even if nothing is left of its deposit: the next page begins after it.
DEPOSITS = """
with page as (
    select o.id, o.currency from orders.esim_orders o
    where o.id > $1 and o.updated_at < $2 and o.status in ('COMPLETED', 'CANCELLED', 'REFUNDED')
        and o.created_at >= (select b.since from orders.books b)
    order by o.id limit 2000
)
select page.id, page.currency, d.left from page
cross join lateral (
    select coalesce(-sum(e.amount), 0) as left from orders.ledger_transactions t
    join orders.ledger_entries e on e.transaction_id = t.id
    where t.order_id = page.id and e.account = 'deposits'
) d
where d.left <> 0 or page.id = (select id from page order by id desc limit 1)
order by page.id
"""


async def deposits(connection: Connection, after: UUID, before: datetime) -> list[Any]:
    """Return delivered orders that did not change since `before`, with what is left of their deposits.

    One page of them; it is empty after the last order.
    """
    return list(await connection.fetch(DEPOSITS, after, before))


WALLETS = f"""
select w.id, w.currency, w.available, w.held,
    coalesce(e.available, 0) as entries_available, coalesce(e.held, 0) as entries_held,
    coalesce(-l.amount, 0) as ledger, e.number > 0 as used
from orders.wallets w
left join lateral (
    select sum(available) as available, sum(held) as held, count(*) as number
    from orders.wallet_entries where wallet_id = w.id
) e on true
left join lateral (
    select sum(amount) as amount from orders.ledger_entries
    where account = 'wallet:' || w.id and currency = w.currency
) l on true
where w.id > $1
order by w.id limit {PAGE}
"""  # noqa: S608 - the same


async def wallets(connection: Connection, after: UUID) -> list[Any]:
    """Return all wallets with the sums of their entries, and what the ledger says that they hold."""
    return list(await connection.fetch(WALLETS, after))


OWNED = """
select o.id, o.provider_reference, o.status,
    o.created_at >= (select b.since from orders.books b) as in_books,
    e.amount as posted, e.currency
from orders.esim_orders o
left join orders.ledger_transactions t on t.key = 'cost:' || o.id
left join orders.ledger_entries e on e.transaction_id = t.id and e.account = 'cost'
where o.provider_reference = any($1::text[])
"""


async def owned(connection: Connection, references: Sequence[str]) -> dict[str, Any]:
    """Return the orders here by the provider's reference, with the cost that was posted."""
    rows = await connection.fetch(OWNED, spellings(references))
    found = {row["provider_reference"].lower(): row for row in rows}
    return {one: found[one.lower()] for one in references if one.lower() in found}


# Attempts that may own an order of the provider soon; they must be read before its owners.
UNSETTLED = """
select distinct bundle_name, quantity from orders.order_attempts
where outcome in ('OPEN', 'UNCLEAR')
"""


async def unsettled(connection: Connection) -> frozenset[tuple[str, int]]:
    """Return what is being bought: bundles with their quantities."""
    rows = await connection.fetch(UNSETTLED)
    return frozenset((row["bundle_name"], row["quantity"]) for row in rows)


PLACED = """
select id, provider_reference from orders.esim_orders
where placed_at >= $1 and placed_at < $2 and provider_reference is not null
    and created_at >= (select b.since from orders.books b) and status <> 'FAILED'
order by id
"""


async def placed(connection: Connection, start: datetime, end: datetime) -> list[Any]:
    """Return what was bought in a period, by the provider's reference."""
    return list(await connection.fetch(PLACED, start, end))
