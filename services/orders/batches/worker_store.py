"""SQL of the worker: which batches are due, and what one does next; nothing here commits."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.batches.batch import Waiting
from services.orders.status_reasons import MESSAGE_BALANCE

TAKE_DUE = """
update orders.batches t set lease_owner = $1, leased_until = now() + $2::interval
where t.id in (
    select id from orders.batches
    where next_run_at <= now() and (leased_until is null or leased_until <= now())
    order by next_run_at limit $3 for update skip locked
)
returning t.id
"""


async def take_due(connection: Connection, run: UUID, lease: timedelta, limit: int) -> list[UUID]:
    """Lease batches that have work due, the longest waiting first."""
    return [row["id"] for row in await connection.fetch(TAKE_DUE, run, lease, limit)]


# Changes nothing if another run has taken over the lease. `waiting_since` stays while the reason stays the
# same. A retry may have begun since the run looked, and waits for the time of its batch.
RELEASE = """
update orders.batches t
set lease_owner = null, leased_until = null, waiting = $4,
    next_run_at = greatest(
        now() + $3::interval, case when t.cancelled_at is null then t.not_before end
    ),
    waiting_since = case when $4 = '' then null when t.waiting = $4 then t.waiting_since else now() end
where t.id = $1 and t.lease_owner = $2
"""
FINISH = """
update orders.batches
set lease_owner = null, leased_until = null, next_run_at = null, waiting = '', waiting_since = null,
    finished_at = now(), updated_at = now()
where id = $1 and lease_owner = $2 and finished_at is null
returning organization_id, customer_id
"""
# An entry for readers of the feed of changes, such as a program that sends messages to the creators of
# batches.
REPORT = """
insert into orders.outbox (type, subject_id, organization_id, customer_id, body)
values ('batch.finished', $1, $2, $3, jsonb_build_object('status', $4::text))
"""


async def release(
    connection: Connection, batch_id: UUID, run: UUID, again_in: timedelta, waiting: Waiting
) -> None:
    """End the lease; the batch is due again after that time."""
    await connection.execute(RELEASE, batch_id, run, again_in, waiting)


async def finish(connection: Connection, batch_id: UUID, run: UUID, status: str) -> None:
    """Record that no row is pending or in work any more, unless another run has taken over."""
    row = await connection.fetchrow(FINISH, batch_id, run)
    if row is not None:
        await connection.execute(
            REPORT, batch_id, row["organization_id"], row["customer_id"], status
        )


@dataclass(frozen=True, slots=True)
class Next:
    """The next planned order of a batch, with what it needs from the batch."""

    id: UUID
    n: int
    plan_id: UUID
    quantity: int
    esim_id: UUID | None
    amount: Decimal
    tries: int
    reference: str


@dataclass(frozen=True, slots=True)
class Situation:
    """A batch as the worker finds it: how many of its orders are in which state."""

    customer_id: UUID
    organization_id: UUID | None
    group_id: UUID | None
    currency: str
    policy: str
    cancelled: bool
    suspended: bool
    unplaced: int  # claimed, and not sent to the provider yet
    for_balance: int  # of these, orders that wait for the shop's balance
    unfinished: int
    failed: bool
    pending: int
    next: Next | None


# Orders that wait for their eSIMs, for the outcome of an unclear call or for a person don't keep others back.
LOOK = """
select t.customer_id, t.organization_id, t.group_id, t.currency, t.error_policy as policy,
    t.cancelled_at is not null as cancelled,
    coalesce((
        select g.status = 'SUSPENDED' from orders.organizations g where g.id = t.organization_id
    ), false) as suspended,
    coalesce(s.unplaced, 0) as unplaced, coalesce(s.for_balance, 0) as for_balance,
    coalesce(s.unfinished, 0) as unfinished, coalesce(s.failed, false) as failed,
    coalesce(s.pending, 0) as pending
from orders.batches t
left join lateral (
    select
        count(*) filter (
            where o.status = 'PROCESSING' and o.recovery_point in ('AWAITING_PAYMENT', 'CLAIMED')
        )::int as unplaced,
        count(*) filter (
            where o.status = 'PROCESSING' and o.recovery_point = 'CLAIMED' and o.status_reason = $2
        )::int as for_balance,
        count(*) filter (where o.status in ('PROCESSING', 'NEEDS_REVIEW'))::int as unfinished,
        bool_or(b.state = 'REFUSED' or o.status = 'FAILED') as failed,
        count(*) filter (where b.state = 'PENDING')::int as pending
    from orders.batch_orders b left join orders.esim_orders o on o.batch_order_id = b.id
    -- Planned orders of earlier tries, which rows have left, are of no interest.
    where b.batch_id = t.id and exists (select from orders.batch_items i where i.batch_order_id = b.id)
) s on true
where t.id = $1
"""
NEXT = """
select b.id, b.n, b.plan_id, b.quantity, b.target_esim_id as esim_id, b.amount, b.tries,
    coalesce((
        select case when count(*) = 1 then min(i.reference) end from orders.batch_items i
        where i.batch_order_id = b.id
    ), '') as reference
from orders.batch_orders b
where b.batch_id = $1 and b.state = 'PENDING' and b.retry_at <= now()
order by b.n limit 1
"""


async def look(connection: Connection, batch_id: UUID) -> Situation | None:
    """Return the situation of a batch, with the next planned order that can be claimed now."""
    row: Any = await connection.fetchrow(LOOK, batch_id, MESSAGE_BALANCE)
    if row is None:
        return None
    following = await connection.fetchrow(NEXT, batch_id)
    return Situation(**dict(row), next=Next(**dict(following)) if following else None)


REFUSE = """
update orders.batch_orders set state = 'REFUSED', code = $2, error = $3 where id = $1 and state = 'PENDING'
"""
POSTPONE = """
update orders.batch_orders set tries = tries + 1, retry_at = now() + $2::interval
where id = $1 and state = 'PENDING'
"""


PUT_OFF = """
update orders.batch_orders set retry_at = now() + $2::interval where id = $1 and state = 'PENDING'
"""


async def put_off(connection: Connection, planned: UUID, pause: timedelta) -> None:
    """Let other planned orders go first for a while, after a failure that says nothing about this one."""
    await connection.execute(PUT_OFF, planned, pause)


async def refuse(connection: Connection, planned: UUID, code: str, error: str) -> bool:
    """Record why a planned order will never be placed; False if it is not pending any more."""
    return bool(await connection.execute(REFUSE, planned, code, error) == "UPDATE 1")


async def postpone(connection: Connection, planned: UUID, pause: timedelta) -> None:
    """Let other planned orders go first for a while."""
    await connection.execute(POSTPONE, planned, pause)


WAKE_ORDERS = """
update orders.esim_orders set next_run_at = now()
where id in (
    select id from orders.esim_orders
    where batch_order_id is not null and status = 'PROCESSING' and recovery_point = 'CLAIMED'
        and status_reason = $1 and next_run_at > now()
    order by id for no key update
)
"""
WAKE_BATCHES = """
update orders.batches set next_run_at = now() where waiting = 'BALANCE' and next_run_at > now()
"""


async def wake_for_balance(connection: Connection) -> None:
    """Make orders and batches due that wait for a balance, because one has just increased."""
    await connection.execute(WAKE_ORDERS, MESSAGE_BALANCE)
    await connection.execute(WAKE_BATCHES)


SURVEY = """
select
    count(*) filter (where waiting = 'BALANCE')::int as waiting,
    coalesce(
        extract(epoch from now() - min(waiting_since) filter (where waiting = 'BALANCE')), 0
    )::float8 as oldest,
    count(*)::int as open
from orders.batches where next_run_at is not null
"""


async def survey(connection: Connection) -> tuple[int, int, float]:
    """Return the number of unfinished batches, of those that wait for a balance, and for how many seconds."""
    row: Any = await connection.fetchrow(SURVEY)
    return row["open"], row["waiting"], row["oldest"]
