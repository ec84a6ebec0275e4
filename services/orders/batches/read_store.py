"""SQL that reads batches. Counts and statuses are computed from rows and orders, and stored nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.batches.batch import (
    Batch,
    Counts,
    ErrorPolicy,
    Item,
    ItemStatus,
    Row,
    Waiting,
)
from services.orders.order import DeliveredESIM
from services.orders.traveler import Traveler

COLUMNS = """t.id, t.customer_id, t.organization_id, t.group_id, t.name, t.error_policy, t.currency,
    t.max_total, t.not_before, t.waiting, t.cancelled_at, t.finished_at, t.created_at, t.fingerprint,
    coalesce(t.not_before > now(), false) as early"""
# The status of a row i, from its planned order b and its order o.
ITEM_STATUS = """case
    when i.code <> '' or b.state = 'REFUSED' then 'FAILED'
    when b.state = 'CANCELLED' then 'CANCELLED'
    when b.state = 'PENDING' then 'PENDING'
    when o.status in ('PROCESSING', 'NEEDS_REVIEW') then 'PROCESSING'
    when o.status = 'FAILED' and o.failure_reason = 'CANCELLED_BY_CUSTOMER' then 'CANCELLED'
    when o.status = 'FAILED' then 'FAILED'
    else 'DELIVERED'
end"""
ROWS = """orders.batch_items i
left join orders.batch_orders b on b.id = i.batch_order_id
left join orders.esim_orders o on o.batch_order_id = b.id"""


def read_row(row: Any) -> Batch:
    """Build a batch, without its counts, from a row with COLUMNS."""
    values = dict(row)
    values["policy"] = ErrorPolicy(values.pop("error_policy"))
    values["waiting"] = Waiting(values["waiting"])
    return Batch(**values)


GET = f"select {COLUMNS} from orders.batches t where t.id = $1"  # noqa: S608 - only COLUMNS goes in
FIND_BY_KEY = f"""
select {COLUMNS} from orders.batches t
where coalesce(t.organization_id, t.customer_id) = $1 and t.idempotency_key = $2
"""  # noqa: S608 - the same
# The condition on the owner lets the index be used; row security decides what the session sees.
PAGE = f"""
select {COLUMNS} from orders.batches t
where case when $1::uuid is null then t.organization_id is null and t.customer_id = $2
    else t.organization_id = $1 end
    and ($3::timestamptz is null or (t.created_at, t.id) < ($3, $4::uuid))
order by t.created_at desc, t.id desc limit $5
"""  # noqa: S608 - the same


async def get(connection: Connection, batch_id: UUID) -> Batch | None:
    """Return a batch that the session may see, without its counts."""
    row = await connection.fetchrow(GET, batch_id)
    return read_row(row) if row else None


async def find_by_key(connection: Connection, owner_id: UUID, key: str) -> Batch | None:
    """Return the batch of an organization or a customer with that key, if the session may see it."""
    row = await connection.fetchrow(FIND_BY_KEY, owner_id, key)
    return read_row(row) if row else None


async def page(
    connection: Connection,
    organization_id: UUID | None,
    customer_id: UUID | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Batch]:
    """Return batches of an organization, or those that a customer created for themself, newest first."""
    at, id_ = after or (None, None)
    rows = await connection.fetch(PAGE, organization_id, customer_id, at, id_, limit)
    return [read_row(row) for row in rows]


COUNT = f"""
with items as (
    select i.batch_id, i.quantity, i.batch_order_id, {ITEM_STATUS} as status from {ROWS}
    where i.batch_id = any($1::uuid[])
),
planned as (
    select b.batch_id, sum(b.amount) as expected, count(*) filter (where b.state = 'PENDING') as waiting,
        sum(o.total_price) filter (where o.status in ('COMPLETED', 'CANCELLED', 'REFUNDED')) as spent,
        max(o.updated_at) as changed_at
    from orders.batch_orders b left join orders.esim_orders o on o.batch_order_id = b.id
    where b.id in (select batch_order_id from items) group by b.batch_id
),
-- Orders of earlier tries delivered nothing, so only planned orders that have rows count.
counted as (
    select batch_id,
        count(*) filter (where status = 'PENDING')::int as pending,
        count(*) filter (where status = 'PROCESSING')::int as processing,
        count(*) filter (where status = 'DELIVERED')::int as delivered,
        count(*) filter (where status = 'FAILED')::int as failed,
        count(*) filter (where status = 'CANCELLED')::int as cancelled,
        sum(quantity)::int as esims,
        coalesce(sum(quantity) filter (where status = 'DELIVERED'), 0)::int as esims_delivered
    from items group by batch_id
)
select c.*, coalesce(p.waiting, 0)::int as orders_pending, coalesce(p.expected, 0) as expected,
    coalesce(p.spent, 0) as spent, p.changed_at
from counted c left join planned p using (batch_id)
"""  # noqa: S608 - only constants of this file go in


async def counted(connection: Connection, batches: Sequence[Batch]) -> list[Batch]:
    """Return the batches with their counts; `connection` is the system's, and sees all rows."""
    found = {}
    for row in await connection.fetch(COUNT, [batch.id for batch in batches]):
        values = dict(row)
        batch_id = values.pop("batch_id")
        found[batch_id] = Counts(**values)
    return [replace(batch, counts=found[batch.id]) for batch in batches]


ITEMS = f"""
select * from (
    select i.position, i.plan_id, i.plan_title, i.quantity, i.target_esim_id, i.traveler_id, i.traveler_name,
        i.traveler_email, i.traveler_user_id, i.reference, i.attempts, i.total_price,
        {ITEM_STATUS} as status, o.id as order_id,
        coalesce(nullif(i.code, ''), nullif(b.code, ''), o.failure_reason, '') as code,
        case when i.code <> '' then i.error when b.error <> '' then b.error
            when o.status = 'FAILED' then o.status_reason else '' end as error,
        array(
            select e.iccid from orders.order_esims e
            where e.order_id = o.id and e.batch_position = i.position order by e.position, e.iccid
        ) as iccids
    from {ROWS}
    where i.batch_id = $1 and i.position > $2
) found
where cardinality($3::text[]) = 0 or status = any($3)
order by position limit $4
"""  # noqa: S608 - the same


async def items(
    connection: Connection, batch_id: UUID, after: int, statuses: Sequence[str], limit: int
) -> list[Item]:
    """Return rows of a batch by position; `connection` is the system's."""
    rows = await connection.fetch(ITEMS, batch_id, after, list(statuses), limit)
    return [
        Item(
            position=row["position"],
            plan_id=row["plan_id"],
            plan_title=row["plan_title"],
            quantity=row["quantity"],
            esim_id=row["target_esim_id"],
            traveler=read_traveler(row),
            reference=row["reference"],
            status=ItemStatus(row["status"]),
            order_id=row["order_id"],
            iccids=row["iccids"],
            code=row["code"],
            error=row["error"],
            attempts=row["attempts"],
            total_price=row["total_price"],
        )
        for row in rows
    ]


def read_traveler(row: Any) -> Traveler | None:
    """Return the traveler of a row; None if it names no one."""
    if row["traveler_id"] is None:
        return None
    return Traveler(row["traveler_name"], row["traveler_email"], row["traveler_user_id"])


AGAIN = f"""
select i.position, i.plan_id, i.quantity, i.target_esim_id, i.traveler_id, i.traveler_name, i.traveler_email,
    i.traveler_user_id, i.reference
from {ROWS}
where i.batch_id = $1 and i.plan_id is not null and i.quantity > 0 and i.code <> 'INVALID'
    and {ITEM_STATUS} in ('FAILED', 'CANCELLED')
order by i.position
"""  # noqa: S608 - the same


async def to_retry(connection: Connection, batch_id: UUID) -> list[Row]:
    """Return the failed and cancelled rows that a retry can buy.

    What was malformed in a row is not recorded, so such rows can't be bought as they were meant.
    """
    return [
        Row(
            row["position"],
            row["plan_id"],
            row["quantity"],
            row["target_esim_id"],
            read_traveler(row),
            row["reference"],
        )
        for row in await connection.fetch(AGAIN, batch_id)
    ]


@dataclass(frozen=True, slots=True)
class BatchESIM:
    """A delivered eSIM of a batch; `number` counts those of one row."""

    position: int
    number: int
    esim: DeliveredESIM
    traveler: Traveler | None
    reference: str
    plan_id: UUID
    plan_title: str
    order_id: UUID


# Those that are to be installed: not the eSIMs that rows add plans to, which travelers have already, and not
# those whose bundle was revoked, which would give no service.
ESIMS = """
select i.position, e.iccid, e.matching_id, e.smdp_address, i.traveler_id, i.traveler_name, i.traveler_email,
    i.traveler_user_id, i.reference, i.plan_id, i.plan_title, e.order_id,
    (select count(*) from orders.order_esims f
        where f.order_id = e.order_id and f.batch_position = i.position and f.iccid <= e.iccid)::int as number
from orders.batch_items i
join orders.esim_orders o on o.batch_order_id = i.batch_order_id
join orders.order_esims e on e.order_id = o.id and e.batch_position = i.position
where i.batch_id = $1 and (i.position, e.iccid) > ($2, $3)
    and o.status = 'COMPLETED' and i.target_esim_id is null
    and not exists (
        select from orders.order_revocations r
        where r.order_id = e.order_id and r.iccid = e.iccid and r.state = 'REVOKED'
    )
order by i.position, e.iccid limit $4
"""


async def esims(
    connection: Connection, batch_id: UUID, after: tuple[int, str], limit: int
) -> list[BatchESIM]:
    """Return the eSIMs to hand out, with their secrets, by position and ICCID.

    `connection` is the system's.
    """
    return [
        BatchESIM(
            row["position"],
            row["number"],
            DeliveredESIM(row["iccid"], row["matching_id"], row["smdp_address"]),
            read_traveler(row),
            row["reference"],
            row["plan_id"],
            row["plan_title"],
            row["order_id"],
        )
        for row in await connection.fetch(ESIMS, batch_id, *after, limit)
    ]
