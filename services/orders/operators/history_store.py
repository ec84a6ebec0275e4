"""SQL for operators: stuck orders, attempts, steps, and provider orders that no order here explains."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders import step_log
from services.orders.order import Order, OrderStatus
from services.orders.provider.provider_order import ProviderOrder
from services.orders.status_reasons import MESSAGE_HELD
from services.orders.store import ALL_COLUMNS, read_row


@dataclass(frozen=True, slots=True)
class Stuck:
    """An order with details that only operators see."""

    order: Order
    detail: str
    next_look_at: datetime | None


def _stuck(row: Any) -> Stuck:
    values = dict(row)
    detail, next_look_at = values.pop("operator_detail"), values.pop("next_run_at")
    return Stuck(read_row(values), detail, next_look_at)


STUCK = f"""
select {ALL_COLUMNS}, o.operator_detail, o.next_run_at from orders.esim_orders o
where o.status = 'NEEDS_REVIEW'
    or (o.status = 'PROCESSING' and o.recovery_point <> 'AWAITING_PAYMENT'
        and (o.created_at < now() - $1::interval or o.status_reason = $3))
    or (o.status = 'COMPLETED' and o.next_run_at is not null
        and o.cancel_requested_at < now() - $1::interval)
order by o.created_at, o.id
limit $2
"""  # noqa: S608 - only ALL_COLUMNS goes in


async def list_stuck(connection: Connection, older_than: timedelta, limit: int) -> list[Stuck]:
    """Return orders in review, orders whose purchase or cancellation takes longer than that, and orders
    that wait for the provider; oldest first.
    """
    rows = await connection.fetch(STUCK, older_than, limit, MESSAGE_HELD)
    return [_stuck(row) for row in rows]


ONE = f"""
select {ALL_COLUMNS}, o.operator_detail, o.next_run_at from orders.esim_orders o where o.id = $1
"""  # noqa: S608 - only ALL_COLUMNS goes in


async def get(connection: Connection, order_id: UUID) -> Stuck | None:
    row = await connection.fetchrow(ONE, order_id)
    return None if row is None else _stuck(row)


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """One attempt to buy."""

    outcome: str
    started_at: datetime
    ended_at: datetime | None


ATTEMPTS = """
select outcome, started_at, ended_at from orders.order_attempts
where order_id = $1 order by started_at, id
"""


async def list_attempts(connection: Connection, order_id: UUID) -> list[PastAttempt]:
    return [PastAttempt(**row) for row in await connection.fetch(ATTEMPTS, order_id)]


@dataclass(frozen=True, slots=True)
class Step:
    at: datetime
    from_status: str | None
    to_status: str
    actor: str
    reason: str
    note: str


STEPS = """
select at, from_status, to_status, actor, reason, note from orders.order_events
where order_id = $1 order by id
"""


async def list_steps(connection: Connection, order_id: UUID) -> list[Step]:
    """Return the steps of an order, oldest first."""
    return [Step(**row) for row in await connection.fetch(STEPS, order_id)]


SETTLE = """
with old as (select id, status from orders.esim_orders where id = $1 for no key update),
changed as (
    update orders.esim_orders o
    set status = $2, recovery_point = $3, status_reason = $4, failure_reason = $5,
        next_run_at = case when $2 = 'PROCESSING' then now() end, updated_at = now()
    from old where o.id = old.id and old.status = 'NEEDS_REVIEW'
    returning o.id, o.status, old.status as old_status
)
insert into orders.order_events (order_id, from_status, to_status, actor, reason, note)
select id, old_status, status, $6, $7, $8 from changed returning order_id
"""


async def end_review(
    connection: Connection,
    order: Order,
    *,
    status: OrderStatus,
    point: str,
    message: str,
    failure: str,
    actor: str,
    event: str,
    note: str,
) -> bool:
    """Move an order out of review; False if it is no longer in review."""
    settled = await connection.fetchval(
        SETTLE, order.id, status, point, message, failure, actor, event, note
    )
    if settled is None:
        return False
    step_log.outcome(order.id, event, status, by=actor, failure=failure)
    return True


RESUME = """
with changed as (
    update orders.esim_orders set next_run_at = now()
    where id = $1 and status = 'PROCESSING' and recovery_point <> 'AWAITING_PAYMENT'
    returning id, status
)
insert into orders.order_events (order_id, from_status, to_status, actor, reason, note)
select id, status, status, $2, 'resumed', $3 from changed returning order_id
"""


async def resume(connection: Connection, order_id: UUID, actor: str, note: str) -> bool:
    """Make a waiting order due now; False if it doesn't wait."""
    if await connection.fetchval(RESUME, order_id, actor, note) is None:
        return False
    step_log.outcome(order_id, "resumed", OrderStatus.PROCESSING, by=actor)
    return True


FOUND = """
insert into orders.unexplained_orders
    (reference, bundle_name, quantity, total, currency, source_address, iccids, created_at)
values ($1, $2, $3, $4, $5, $6, $7, coalesce($8::timestamptz, now()))
on conflict (reference) do nothing
returning reference
"""


async def record_unexplained(connection: Connection, found: ProviderOrder) -> bool:
    """Store a provider order that no order here explains; False if it is known already.

    One whose own time is unknown is recorded with the time now.
    """
    reference = await connection.fetchval(
        FOUND,
        found.reference,
        found.item,
        found.quantity,
        found.total,
        found.currency,
        found.source_address,
        sorted(found.iccids),
        found.created_at,
    )
    return reference is not None


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A purchase in the provider's history that no order here owns."""

    reference: str
    bundle_name: str
    quantity: int
    total: Decimal | None
    currency: str | None
    source_address: str
    iccids: Sequence[str]
    created_at: datetime


# Without those that an operator has assigned to an order here since.
UNEXPLAINED = """
select u.reference, u.bundle_name, u.quantity, u.total, u.currency, u.source_address, u.iccids,
    u.created_at
from orders.unexplained_orders u
where not exists (select from orders.esim_orders o where o.provider_reference = u.reference)
order by u.created_at desc, u.reference
limit $1
"""


async def list_unexplained(connection: Connection, limit: int) -> list[Unexplained]:
    """Return unexplained orders, newest first."""
    return [Unexplained(**row) for row in await connection.fetch(UNEXPLAINED, limit)]
