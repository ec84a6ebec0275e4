"""The SQL of orders: claims, leases, steps and lists. Nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kit.db import Connection
from services.orders.order import (
    Order,
    OrderRequest,
    OrderStatus,
    Plan,
    RecoveryPoint,
)

COLUMNS = """o.id, o.customer_id, o.plan_id, o.bundle_name, o.quantity, o.unit_price, o.total_price,
    o.currency, o.customer_reference, o.auto_activate, o.status, o.recovery_point, o.status_reason,
    o.provider_reference, o.cancel_requested_at, o.created_at, o.updated_at"""


def _order(row: Any) -> Order:
    values = dict(row)
    values["status"] = OrderStatus(values["status"])
    values["recovery_point"] = RecoveryPoint(values["recovery_point"])
    return Order(**values)


CLAIM = f"""
insert into orders.esim_orders as o (
    customer_id, idempotency_key, plan_id, bundle_name, quantity, unit_price, total_price, currency,
    customer_reference, auto_activate, next_run_at
) values (
    $1, $2, $3, $4, $5::smallint, $6::numeric, $6::numeric * $5::smallint, $7, $8, $9,
    now()
)
on conflict (customer_id, idempotency_key) do nothing
returning {COLUMNS}
"""  # noqa: S608 - only COLUMNS of this file goes in


async def claim(connection: Connection, request: OrderRequest, plan: Plan) -> Order | None:
    """Records the intent to buy; None when the customer's key is in use already."""
    row = await connection.fetchrow(
        CLAIM,
        request.customer_id,
        request.idempotency_key,
        request.plan_id,
        plan.bundle_name,
        request.quantity,
        plan.price,
        plan.currency,
        request.customer_reference,
        request.auto_activate,
    )
    return _order(row) if row else None


FIND_BY_KEY = f"""
select {COLUMNS} from orders.esim_orders o where o.customer_id = $1 and o.idempotency_key = $2
"""  # noqa: S608 - only COLUMNS of this file goes in


async def find_by_key(connection: Connection, customer_id: UUID, key: str) -> Order | None:
    row = await connection.fetchrow(FIND_BY_KEY, customer_id, key)
    return _order(row) if row else None


GET = f"select {COLUMNS} from orders.esim_orders o where o.id = any($1::uuid[])"  # noqa: S608 - likewise


async def get(connection: Connection, order_ids: Sequence[UUID]) -> list[Order]:
    """Those that exist and that the session may see, in no order."""
    return [_order(row) for row in await connection.fetch(GET, list(order_ids))]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter of orders; what is None or empty holds for all. `after` is where a page ended."""

    statuses: Sequence[OrderStatus] = ()
    since: datetime | None = None
    until: datetime | None = None
    customer_id: UUID | None = None
    after: tuple[datetime, UUID] | None = None


LIST = f"""
select {COLUMNS} from orders.esim_orders o
where (cardinality($1::text[]) = 0 or o.status = any($1::text[]))
    and ($2::timestamptz is null or o.created_at >= $2)
    and ($3::timestamptz is null or o.created_at < $3)
    and ($4::uuid is null or o.customer_id = $4)
    and ($5::timestamptz is null or (o.created_at, o.id) < ($5, $6::uuid))
order by o.created_at desc, o.id desc
limit $7
"""  # noqa: S608 - only COLUMNS of this file goes in


async def list_orders(connection: Connection, wanted: Wanted, limit: int) -> list[Order]:
    """Newest first."""
    created_at, order_id = wanted.after or (None, None)
    rows = await connection.fetch(
        LIST,
        list(wanted.statuses),
        wanted.since,
        wanted.until,
        wanted.customer_id,
        created_at,
        order_id,
        limit,
    )
    return [_order(row) for row in rows]


TAKE_LEASE = f"""
update orders.esim_orders as o
set lease_owner = $2, leased_until = now() + $3::interval
where o.id = $1
    and (o.status = 'PROCESSING' or (o.status = 'COMPLETED' and o.cancel_requested_at is not null))
    and (o.leased_until is null or o.leased_until <= now())
    and o.next_run_at <= now()
returning {COLUMNS}
"""  # noqa: S608 - only COLUMNS of this file goes in


async def take_lease(
    connection: Connection, order_id: UUID, run: UUID, length: timedelta
) -> Order | None:
    """The order, if work on it is due and nobody else works on it until the lease ends."""
    row = await connection.fetchrow(TAKE_LEASE, order_id, run, length)
    return _order(row) if row else None


RELEASE = """
update orders.esim_orders
set lease_owner = null, leased_until = null, next_run_at = now() + $3::interval
where id = $1 and lease_owner = $2
"""


async def release(
    connection: Connection, order_id: UUID, run: UUID, again_in: timedelta | None
) -> None:
    """Ends a run; None says that there is nothing left to do."""
    await connection.execute(RELEASE, order_id, run, again_in)


LEASED = "select leased_until > now() from orders.esim_orders where id = $1"


async def leased(connection: Connection, order_id: UUID) -> bool:
    """Whether somebody works on the order now."""
    return bool(await connection.fetchval(LEASED, order_id))


# Whoever records that there is work does it at once, and sits its own short pauses out: the watch
# of another process leaves it this long before it steps in.
GRACE = timedelta(seconds=1)
OVERDUE = """
select id from orders.esim_orders
where next_run_at <= now() - $1::interval and (leased_until is null or leased_until <= now())
order by next_run_at
limit $2
"""


async def overdue(connection: Connection, limit: int) -> list[UUID]:
    """Orders that somebody should go on with, the longest waiting first."""
    return [row["id"] for row in await connection.fetch(OVERDUE, GRACE, limit)]


class LeaseLostError(Exception):
    """Another run took the order over; what this one knows must not be written."""


STEP = f"""
with old as (select id, status from orders.esim_orders where id = $1 for update),
changed as (
    update orders.esim_orders as o
    set status = $3, recovery_point = $4, status_reason = $5, updated_at = now(),
        operator_detail = coalesce($6, o.operator_detail),
        leased_until = now() + $7::interval
    from old
    where o.id = old.id and o.lease_owner = $2
    returning {COLUMNS}, old.status as old_status
),
event as (
    insert into orders.order_events (order_id, from_status, to_status, actor, reason)
    select id, old_status, status, $8, $9 from changed
)
select {COLUMNS} from changed as o
"""  # noqa: S608 - only COLUMNS of this file goes in


async def step(
    connection: Connection,
    order: Order,
    run: UUID,
    lease: timedelta,
    *,
    event: str,
    status: OrderStatus | None = None,
    point: RecoveryPoint | None = None,
    reason: str | None = None,
    detail: str | None = None,
    actor: str,
) -> Order:
    """Moves an order on and notes the event; what is None stays. Renews the lease.

    Raises LeaseLostError when the run no longer has it.
    """
    row = await connection.fetchrow(
        STEP,
        order.id,
        run,
        status or order.status,
        point or order.recovery_point,
        order.status_reason if reason is None else reason,
        detail,
        lease,
        actor,
        event,
    )
    if row is None:
        raise LeaseLostError
    return _order(row)


RECORD_EVENT = """
insert into orders.order_events (order_id, to_status, actor, reason) values ($1, $2, $3, $4)
"""


async def record_asked(connection: Connection, order: Order, actor: UUID | None, what: str) -> None:
    """Notes what a user asked for; None is the service role key."""
    await connection.execute(RECORD_EVENT, order.id, order.status, str(actor or "service"), what)


RECORD_PLACED = """
update orders.esim_orders
set provider_reference = $2, placed_at = now(),
    total_price = coalesce($3, total_price), currency = coalesce($4, currency)
where id = $1
"""


async def record_reference(
    connection: Connection, order: Order, reference: str, total: Any, currency: str | None
) -> None:
    """What the provider charged; `step` to PLACED follows in the same transaction."""
    await connection.execute(RECORD_PLACED, order.id, reference, total, currency)


OWNED = (
    "select provider_reference from orders.esim_orders where provider_reference = any($1::text[])"
)


async def owned_references(connection: Connection, references: Sequence[str]) -> set[str]:
    """Those of the references that an order here has already."""
    rows = await connection.fetch(OWNED, list(references))
    return {row["provider_reference"] for row in rows}


PLACED_AGO = "select now() - placed_at as ago from orders.esim_orders where id = $1"


async def placed_ago(connection: Connection, order_id: UUID) -> timedelta:
    """How long ago the provider took the order."""
    ago = await connection.fetchval(PLACED_AGO, order_id)
    return ago if isinstance(ago, timedelta) else timedelta()
