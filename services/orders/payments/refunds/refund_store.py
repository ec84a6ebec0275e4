"""SQL of refunds; nothing here commits.

Lock an order, then its payment, then the organization that pays with a statement, then the refund.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.order import Order
from services.orders.payment import Payment, Refund, RefundDestination, RefundReason, RefundState
from services.orders.store import ALL_COLUMNS
from services.orders.store import read_row as read_order

COLUMNS = """r.id, r.payment_id, r.order_id, r.customer_id, r.amount, r.currency, r.destination, r.reason,
    r.note, r.requested_by, r.state, r.provider_id, r.failure, r.started_at, r.settled_at,
    r.created_at"""


def read_row(row: Any) -> Refund:
    """Build a refund from a row with COLUMNS."""
    values = dict(row)
    values["destination"] = RefundDestination(values["destination"])
    values["reason"] = RefundReason(values["reason"])
    values["state"] = RefundState(values["state"])
    return Refund(**values)


RECORD = f"""
insert into orders.refunds as r (
    payment_id, order_id, customer_id, idempotency_key, amount, currency, destination, reason, note,
    requested_by
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (payment_id, idempotency_key, destination) do nothing
returning {COLUMNS}
"""  # noqa: S608 - only COLUMNS goes in


async def record(
    connection: Connection,
    payment: Payment,
    destination: RefundDestination,
    amount: Decimal,
    reason: RefundReason,
    *,
    key: str,
    actor: str,
    note: str = "",
) -> Refund | None:
    """Record a refund, which reserves its amount; None if it was recorded under that key before."""
    row = await connection.fetchrow(
        RECORD,
        payment.id,
        payment.order_id,
        payment.customer_id,
        key,
        amount,
        payment.currency,
        destination,
        reason,
        note,
        actor,
    )
    return read_row(row) if row else None


BY_KEY = f"""
select {COLUMNS} from orders.refunds r
where r.payment_id = $1 and r.idempotency_key = $2 order by r.destination
"""  # noqa: S608 - the same


async def by_key(connection: Connection, payment_id: UUID, key: str) -> list[Refund]:
    """Return the refunds of one request."""
    return [read_row(row) for row in await connection.fetch(BY_KEY, payment_id, key)]


GIVEN = """
select coalesce(sum(amount), 0) from orders.refunds where payment_id = $1 and reason = 'CANCELLED'
"""


async def cancelled(connection: Connection, payment_id: UUID) -> Decimal:
    """Return what cancellations gave back of a payment, also if that failed later."""
    return Decimal(await connection.fetchval(GIVEN, payment_id))


HINDERED = """
select greatest(coalesce(failed.amount, 0) - (
    select coalesce(sum(n.amount), 0) from orders.refunds n
    where n.payment_id = $1 and n.state <> 'FAILED' and n.reason <> 'CANCELLED'
        and n.created_at >= failed.since
), 0)
from (
    select sum(r.amount) as amount, min(r.updated_at) as since from orders.refunds r
    where r.payment_id = $1 and r.reason = 'CANCELLED' and r.state = 'FAILED'
        and r.failure = 'PAYMENT_DISPUTED'
) failed
"""


async def hindered(connection: Connection, payment_id: UUID) -> Decimal:
    """Return what cancellations gave back of a payment and a dispute hindered, less refunds since then."""
    return Decimal(await connection.fetchval(HINDERED, payment_id))


DUE = "select id from orders.refunds where next_run_at <= now() order by next_run_at limit $1"


async def due(connection: Connection, limit: int) -> list[UUID]:
    """Return refunds to look at, the longest waiting first."""
    return [row["id"] for row in await connection.fetch(DUE, limit)]


TAKE = f"""
update orders.refunds r set run = $2, next_run_at = now() + $3::interval, looks = r.looks + 1
where r.id = $1 and r.next_run_at <= now()
returning {COLUMNS}
"""  # noqa: S608 - the same
PUT_BACK = """
update orders.refunds set run = null, next_run_at = now() + $3::interval where id = $1 and run = $2
"""
START = f"""
update orders.refunds r set state = 'STARTED', started_at = now(), updated_at = now()
where r.id = $1 and r.run = $2 and r.state = 'PLANNED'
returning {COLUMNS}
"""  # noqa: S608 - the same


async def take(
    connection: Connection, refund_id: UUID, run: UUID, lease: timedelta
) -> Refund | None:
    """Lease a refund that is due; None if it is not, or another run has the lease."""
    row = await connection.fetchrow(TAKE, refund_id, run, lease)
    return read_row(row) if row else None


async def put_back(
    connection: Connection, refund_id: UUID, run: UUID, pause: timedelta | None
) -> None:
    """End a lease, and make the refund due after a pause; None: not before something happens to it."""
    await connection.execute(PUT_BACK, refund_id, run, pause)


async def start(connection: Connection, refund_id: UUID, run: UUID) -> Refund | None:
    """Record that the payment provider is about to be called; None without the lease."""
    row = await connection.fetchrow(START, refund_id, run)
    return read_row(row) if row else None


REFUSED = """
update orders.refunds set failure = $2, updated_at = now() where id = $1 and state = 'STARTED'
"""


async def record_refusal(connection: Connection, refund_id: UUID, failure: str) -> None:
    """Record why the payment provider refused a refund that is tried again."""
    await connection.execute(REFUSED, refund_id, failure)


CHANGE = f"""
update orders.refunds r
set state = $3, provider_id = coalesce($4, r.provider_id), failure = $5, updated_at = now(),
    settled_at = case
        when $3 in ('SUCCEEDED', 'FAILED') then coalesce(r.settled_at, now()) else r.settled_at
    end,
    next_run_at = case when r.destination <> 'CARD' then null else r.next_run_at end
where r.id = $1 and r.state = $2
returning {COLUMNS}
"""  # noqa: S608 - the same


async def change(
    connection: Connection,
    refund: Refund,
    state: RefundState,
    *,
    provider_id: str | None = None,
    failure: str = "",
) -> Refund | None:
    """Move a refund to another state; None if it is no longer in the state that `refund` has."""
    row = await connection.fetchrow(CHANGE, refund.id, refund.state, state, provider_id, failure)
    return read_row(row) if row else None


WAKE = """
update orders.refunds set next_run_at = now(), run = null
where payment_id = $1 and destination = 'CARD' and state in ('STARTED', 'PENDING', 'SUCCEEDED')
"""


async def wake(connection: Connection, payment_id: UUID) -> None:
    """Make the refunds of a payment due, because the payment provider reported news of one."""
    await connection.execute(WAKE, payment_id)


# A statement is issued while its organization is locked, and its lines refer to orders. With `for update` it
# would wait for a refund that waits for the organization.
ORDER = f"select {ALL_COLUMNS} from orders.esim_orders o where o.id = $1 for no key update"  # noqa: S608 - the same


async def lock_order(connection: Connection, order_id: UUID) -> Order | None:
    """Return an order with its cost, locked until the transaction ends."""
    row = await connection.fetchrow(ORDER, order_id)
    return read_order(row) if row else None


UNDER_WAY = """
select exists (
    select from orders.refunds
    where payment_id = $1 and state in ('PLANNED', 'STARTED', 'PENDING')
)
"""


async def any_under_way(connection: Connection, payment_id: UUID) -> bool:
    """Return whether a refund of a payment is not settled."""
    return bool(await connection.fetchval(UNDER_WAY, payment_id))


# Of failed orders everything that was taken, of cancelled ones what their cancellation gave back; less what
# was refunded in another way since, and what disputes have withdrawn. Organizations get theirs in any case.
OWED = """
select p.id from orders.payments p join orders.esim_orders o on o.id = p.order_id
cross join lateral (
    select p.captured - p.refunded - coalesce(sum(
        case when d.currency = p.currency then d.amount else p.captured end
    ), 0) as amount
    from orders.disputes d where d.payment_id = p.id and (d.withdrawn or d.status = 'lost')
) rest
cross join lateral (
    select coalesce(sum(r.amount), 0) as amount, min(r.updated_at) as since from orders.refunds r
    where r.payment_id = p.id and r.reason = 'CANCELLED' and r.state = 'FAILED'
) failed
where p.customer_id = $1 and p.organization_id is null and rest.amount > 0 and (
    o.status = 'FAILED' or failed.amount > coalesce((
        select sum(n.amount) from orders.refunds n
        where n.payment_id = p.id and n.state <> 'FAILED' and n.reason <> 'CANCELLED'
            and n.created_at >= failed.since
    ), 0)
)
order by p.id
"""


async def owed(connection: Connection, customer_id: UUID) -> list[UUID]:
    """Return payments of which a customer still has to get something back, as its refund failed."""
    return [row["id"] for row in await connection.fetch(OWED, customer_id)]


OPEN = """
select count(*) filter (where state in ('PLANNED', 'STARTED', 'PENDING'))::int as open,
    coalesce(extract(epoch from now() - min(created_at) filter (
        where state in ('PLANNED', 'STARTED') and destination = 'CARD'
    )), 0)::float as oldest
from orders.refunds where next_run_at is not null
"""


async def survey(connection: Connection) -> tuple[int, float]:
    """Return how many refunds are under way, and the age of the oldest that is not accepted, in seconds."""
    row: Any = await connection.fetchrow(OPEN)
    return row["open"], row["oldest"]


def amounts(refunds: Sequence[Refund]) -> Decimal:
    return sum((refund.amount for refund in refunds), Decimal(0))
