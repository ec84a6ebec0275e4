"""SQL of orders: claims and steps; nothing here commits."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypedDict, Unpack
from uuid import UUID

from kit.db.database import Connection
from kit.telemetry import tracing
from services.orders import step_log
from services.orders.order import (
    FailureReason,
    Order,
    OrderRequest,
    OrderStatus,
    Plan,
    Quote,
    RecoveryPoint,
    Target,
)

COLUMNS = """o.id, o.customer_id, o.plan_id, o.bundle_name, o.quantity, o.unit_price, o.total_price,
    o.currency, o.customer_reference, o.auto_activate, o.status, o.recovery_point, o.status_reason,
    o.provider_reference, o.cancel_requested_at, o.created_at, o.updated_at, o.target_esim_id,
    o.target_iccid, o.allow_reassign, o.needs_new_esim, o.reassigned, o.max_price, o.max_total,
    o.failure_reason, o.price_confirmed_at, o.charged_above"""


def read_row(row: Any) -> Order:
    """Build an order from a row with COLUMNS."""
    values = dict(row)
    values["status"] = OrderStatus(values["status"])
    values["recovery_point"] = RecoveryPoint(values["recovery_point"])
    return Order(**values)


CLAIM = f"""
insert into orders.esim_orders as o (
    customer_id, idempotency_key, plan_id, bundle_name, quantity, unit_price, total_price, currency,
    customer_reference, auto_activate, target_esim_id, target_iccid, allow_reassign, needs_new_esim,
    max_price, max_total, trace_parent, price_confirmed_at, next_run_at
) values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, now()
)
on conflict (customer_id, idempotency_key) do nothing
returning {COLUMNS}
"""  # noqa: S608 - only COLUMNS of this file goes in


async def claim(
    connection: Connection, request: OrderRequest, plan: Plan, quote: Quote, target: Target | None
) -> Order | None:
    """Record the intent to buy; None if the customer's key is in use already."""
    row = await connection.fetchrow(
        CLAIM,
        request.customer_id,
        request.idempotency_key,
        request.plan_id,
        plan.bundle_name,
        request.quantity,
        quote.each,
        quote.total,
        quote.currency,
        request.customer_reference,
        request.auto_activate,
        target.esim_id if target else None,
        target.iccid if target else None,
        request.allow_reassign,
        target is not None and not target.fits,
        request.max_price,
        request.max_total,
        tracing.to_traceparent(tracing.current_context()),
        quote.confirmed_at,
    )
    return read_row(row) if row else None


# Equal requests run one at a time: the second click waits until the first one's order is committed.
LOCK_DUPLICATES = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
# Equal requests within this time are two clicks or a client's retry, not a second order. Clients rely on it.
DUPLICATE_WINDOW = timedelta(seconds=30)
FIND_DUPLICATE = f"""
select {COLUMNS} from orders.esim_orders o
where o.customer_id = $1 and o.plan_id = $2 and o.quantity = $3
    and o.target_esim_id is not distinct from $4 and o.idempotency_key is null
    and o.status <> 'FAILED' and o.created_at > now() - $5::interval
order by o.created_at desc limit 1
"""  # noqa: S608 - only COLUMNS of this file goes in


async def find_duplicate(connection: Connection, request: OrderRequest) -> Order | None:
    """Return an equal order from the last seconds, and block equal requests until the transaction ends."""
    name = f"{request.customer_id} {request.plan_id} {request.quantity} {request.esim_id}"
    await connection.execute(LOCK_DUPLICATES, name)
    row = await connection.fetchrow(
        FIND_DUPLICATE,
        request.customer_id,
        request.plan_id,
        request.quantity,
        request.esim_id,
        DUPLICATE_WINDOW,
    )
    return read_row(row) if row else None


FIND_BY_KEY = f"""
select {COLUMNS} from orders.esim_orders o where o.customer_id = $1 and o.idempotency_key = $2
"""  # noqa: S608 - only COLUMNS of this file goes in


async def find_by_key(connection: Connection, customer_id: UUID, key: str) -> Order | None:
    row = await connection.fetchrow(FIND_BY_KEY, customer_id, key)
    return read_row(row) if row else None


GET = f"select {COLUMNS} from orders.esim_orders o where o.id = any($1::uuid[])"  # noqa: S608 - only COLUMNS of this file goes in


async def get(connection: Connection, order_ids: Sequence[UUID]) -> list[Order]:
    """Return the orders that exist and that the session may see, in no particular order."""
    return [read_row(row) for row in await connection.fetch(GET, list(order_ids))]


class LeaseLostError(Exception):
    """Another run has taken over the order, so this one must not write any more."""


# True if work on the order has to continue after a step to the status $3.
UNFINISHED = "($3 = 'PROCESSING' or ($3 = 'COMPLETED' and o.cancel_requested_at is not null))"
STEP = f"""
with old as (select id, status from orders.esim_orders where id = $1 for update),
changed as (
    update orders.esim_orders as o
    set status = $3, recovery_point = $4, status_reason = $5, updated_at = now(),
        operator_detail = coalesce($6, o.operator_detail),
        failure_reason = $10,
        -- The step that finishes the order also releases the lease, so that a request right after it can
        -- start a new run.
        lease_owner = case when {UNFINISHED} then o.lease_owner end,
        leased_until = case when {UNFINISHED} then now() + $7::interval end,
        next_run_at = case when {UNFINISHED} then o.next_run_at end
    from old
    where o.id = old.id and o.lease_owner = $2
    returning {COLUMNS}, old.status as old_status
),
event as (
    insert into orders.order_events (order_id, from_status, to_status, actor, reason)
    select id, old_status, status, $8, $9 from changed
)
select {COLUMNS} from changed as o
"""  # noqa: S608 - only constants of this file go in


class Changes(TypedDict, total=False):
    """The changes of a step to its order; `detail` is for operators, `reason` for the customer."""

    status: OrderStatus
    point: RecoveryPoint
    reason: str
    detail: str
    failure: FailureReason


async def step(
    connection: Connection,
    order: Order,
    run: UUID,
    lease: timedelta,
    *,
    event: str,
    actor: str,
    **changes: Unpack[Changes],
) -> Order:
    """Change an order and record the event; fields not in `changes` stay, but `failure` is cleared.

    Renews the lease, or ends it if the order is finished or in review. Raises LeaseLostError if the run no
    longer has the lease.
    """
    row = await connection.fetchrow(
        STEP,
        order.id,
        run,
        changes.get("status", order.status),
        changes.get("point", order.recovery_point),
        changes.get("reason", order.status_reason),
        changes.get("detail"),
        lease,
        actor,
        event,
        changes.get("failure", ""),
    )
    if row is None:
        raise LeaseLostError
    changed = read_row(row)
    step_log.step_of(changed, event, actor)
    return changed


RECORD_EVENT = """
insert into orders.order_events (order_id, to_status, actor, reason) values ($1, $2, $3, $4)
"""


async def record_request(
    connection: Connection, order: Order, actor: UUID | None, what: str
) -> None:
    """Record a user's request as a step; `actor` is None for the service role key."""
    await record_step(connection, order, str(actor or "service"), what)


async def record_step(connection: Connection, order: Order, actor: str, what: str) -> None:
    """Add a step to the order's history without changing the order."""
    await connection.execute(RECORD_EVENT, order.id, order.status, actor, what)
    step_log.step_of(order, what, actor)


async def record_reassigned(connection: Connection, order_id: UUID) -> None:
    """Record that the bundle was delivered on another eSIM than the requested one."""
    await connection.execute(
        "update orders.esim_orders set reassigned = true where id = $1", order_id
    )


RECORD_PLACED = """
update orders.esim_orders
set provider_reference = $2, placed_at = now(),
    total_price = coalesce($3, total_price), currency = coalesce($4, currency), charged_above = $5,
    operator_detail = coalesce($6, operator_detail)
where id = $1
"""


async def record_reference(
    connection: Connection,
    order: Order,
    reference: str,
    total: Decimal | None,
    currency: str | None,
    *,
    above: Decimal | None,
    detail: str | None,
) -> None:
    """Record what the provider charged, and by how much that is above the expected price.

    `step` to PLACED follows in the same transaction.
    """
    await connection.execute(RECORD_PLACED, order.id, reference, total, currency, above, detail)


RECORD_PRICE = """
update orders.esim_orders set unit_price = $2, total_price = $3, price_confirmed_at = $4
where id = $1
"""


async def record_price(connection: Connection, order: Order, quote: Quote) -> None:
    """Record the price that the order now expects; a `step` follows in the same transaction."""
    await connection.execute(RECORD_PRICE, order.id, quote.each, quote.total, quote.confirmed_at)


OWNED = (
    "select provider_reference from orders.esim_orders where provider_reference = any($1::text[])"
)


async def owned_references(connection: Connection, references: Sequence[str]) -> set[str]:
    """Return the references that already belong to an order of this platform."""
    rows = await connection.fetch(OWNED, list(references))
    return {row["provider_reference"] for row in rows}


async def placed_ago(connection: Connection, order_id: UUID) -> timedelta:
    ago = await connection.fetchval(
        "select now() - placed_at as ago from orders.esim_orders where id = $1", order_id
    )
    return ago if isinstance(ago, timedelta) else timedelta()
