"""SQL that writes batches, their rows and their planned orders; nothing here commits."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from kit.db.database import Connection
from services.orders.batches.batch import BatchRequest
from services.orders.batches.validation import Checked, CheckedRow, PlannedOrder

CREATE = """
insert into orders.batches (
    customer_id, organization_id, group_id, idempotency_key, fingerprint, name, error_policy, currency,
    max_total, not_before, next_run_at
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, greatest(now(), $10))
on conflict ((coalesce(organization_id, customer_id)), idempotency_key) where idempotency_key is not null
do nothing
returning id
"""


async def create(
    connection: Connection, request: BatchRequest, customer_id: UUID, key: str, currency: str
) -> UUID | None:
    """Record a batch without its rows; None if the key is taken."""
    batch_id: UUID | None = await connection.fetchval(
        CREATE,
        customer_id,
        request.organization_id,
        request.group_id,
        key,
        request.fingerprint,
        request.name,
        request.policy,
        currency,
        request.max_total,
        request.not_before,
    )
    return batch_id


PLAN = """
insert into orders.batch_orders (id, batch_id, n, plan_id, quantity, target_esim_id, amount)
select w.id, $1, $2 + w.n, w.plan_id, w.quantity, w.esim_id, w.amount
from unnest($3::uuid[], $4::integer[], $5::uuid[], $6::integer[], $7::uuid[], $8::numeric[])
    as w (id, n, plan_id, quantity, esim_id, amount)
"""


async def plan(
    connection: Connection, batch_id: UUID, orders: Sequence[PlannedOrder], after: int = 0
) -> dict[UUID, Decimal]:
    """Record planned orders, numbered from `after` on; return their amounts by id, in their order."""
    ids = [uuid4() for _ in orders]
    await connection.execute(
        PLAN,
        batch_id,
        after,
        ids,
        list(range(1, len(orders) + 1)),
        [o.planned.plan_id for o in orders],
        [o.planned.quantity for o in orders],
        [o.planned.esim_id for o in orders],
        [o.amount for o in orders],
    )
    return {id_: order.amount for id_, order in zip(ids, orders, strict=True)}


ADD_ITEMS = """
insert into orders.batch_items (
    batch_id, position, batch_order_id, attempts, plan_id, plan_title, quantity, target_esim_id, traveler_id,
    traveler_name, traveler_email, traveler_user_id, reference, total_price, code, error
)
select $1, r.position, r.batch_order_id, case when r.batch_order_id is null then 0 else 1 end, r.plan_id,
    r.plan_title, r.quantity, r.esim_id,
    case when r.traveler then gen_random_uuid() end, coalesce(r.traveler_name, ''),
    coalesce(r.traveler_email, ''), r.traveler_user_id, r.reference, r.total_price, r.code, r.error
from jsonb_to_recordset($2) as r (
    position smallint, batch_order_id uuid, plan_id uuid, plan_title text, quantity smallint, esim_id uuid,
    traveler boolean, traveler_name text, traveler_email text, traveler_user_id uuid, reference text,
    total_price numeric, code text, error text
)
"""


async def add_items(
    connection: Connection, batch_id: UUID, checked: Checked, planned: Sequence[UUID]
) -> None:
    """Record all rows; `planned` are the ids of the planned orders, in their order."""
    order_of = {
        position: id_
        for id_, order in zip(planned, checked.orders, strict=True)
        for position in order.planned.positions
    }
    rows = [_item(row, order_of.get(row.row.position)) for row in checked.rows]
    await connection.execute(ADD_ITEMS, batch_id, rows)


def _item(checked: CheckedRow, batch_order_id: UUID | None) -> dict[str, Any]:
    row, traveler = checked.row, checked.row.traveler
    first = checked.errors[0] if checked.errors else None
    return {
        "position": row.position,
        "batch_order_id": _text(batch_order_id),
        "plan_id": _text(row.plan_id),
        "plan_title": checked.title,
        "quantity": row.quantity,
        "esim_id": _text(row.esim_id),
        "traveler": traveler is not None,
        "traveler_name": traveler.name if traveler else "",
        "traveler_email": traveler.email if traveler else "",
        "traveler_user_id": _text(traveler.user_id) if traveler else None,
        "reference": row.reference,
        "total_price": None if checked.quote is None else str(checked.quote.total),
        "code": first.code if first else "",
        "error": "; ".join(problem.named for problem in checked.errors),
    }


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)


CANCEL = """
update orders.batches set cancelled_at = now(), cancelled_by = $2, next_run_at = now(), updated_at = now()
where id = $1 and cancelled_at is null
"""
CANCEL_PENDING = """
update orders.batch_orders set state = 'CANCELLED' where batch_id = $1 and state = 'PENDING' returning id
"""


async def cancel(connection: Connection, batch_id: UUID, actor: str) -> None:
    """Record that a batch, which is locked, was cancelled."""
    await connection.execute(CANCEL, batch_id, actor)


async def cancel_pending(connection: Connection, batch_id: UUID) -> list[UUID]:
    """Cancel the planned orders that have no order yet, and return them."""
    rows = await connection.fetch(CANCEL_PENDING, batch_id)
    return [row["id"] for row in rows]


# Makes orders due that wait for their turn or for the balance, so that they notice the cancellation at once.
WAKE_CLAIMED = """
update orders.esim_orders set next_run_at = now()
where id in (
    select o.id from orders.esim_orders o join orders.batch_orders b on o.batch_order_id = b.id
    where b.batch_id = $1 and o.status = 'PROCESSING' and o.recovery_point = 'CLAIMED'
        and o.next_run_at > now()
    order by o.id for no key update of o
)
"""


async def wake_claimed(connection: Connection, batch_id: UUID) -> None:
    await connection.execute(WAKE_CLAIMED, batch_id)


LOCK = "select id from orders.batches where id = $1 for update"


async def lock(connection: Connection, batch_id: UUID) -> None:
    """Block other changes of the batch until the transaction ends."""
    await connection.execute(LOCK, batch_id)


LAST = "select coalesce(max(n), 0) from orders.batch_orders where batch_id = $1"
MOVE_ITEMS = """
update orders.batch_items i
set batch_order_id = w.batch_order_id, attempts = i.attempts + 1, code = '', error = '',
    plan_title = w.title, total_price = w.total
from unnest($2::smallint[], $3::uuid[], $4::text[], $5::numeric[])
    as w (position, batch_order_id, title, total)
where i.batch_id = $1 and i.position = w.position
"""
RESTART = """
update orders.batches
set cancelled_at = null, cancelled_by = null, finished_at = null, waiting = '', waiting_since = null,
    next_run_at = greatest(now(), not_before), updated_at = now()
where id = $1
"""


async def last_number(connection: Connection, batch_id: UUID) -> int:
    """Return the number of the newest planned order."""
    return int(await connection.fetchval(LAST, batch_id))


async def move_items(
    connection: Connection, batch_id: UUID, checked: Checked, planned: Sequence[UUID]
) -> None:
    """Give rows to new planned orders; the database refuses rows that may have been bought."""
    of_row = {row.row.position: row for row in checked.rows}
    moved = [
        (position, id_, of_row[position])
        for id_, order in zip(planned, checked.orders, strict=True)
        for position in order.planned.positions
    ]
    await connection.execute(
        MOVE_ITEMS,
        batch_id,
        [position for position, _, _ in moved],
        [id_ for _, id_, _ in moved],
        [row.title for _, _, row in moved],
        [row.quote.total if row.quote else None for _, _, row in moved],
    )


async def restart(connection: Connection, batch_id: UUID) -> None:
    """Let the worker take up a finished batch again, but not before its time."""
    await connection.execute(RESTART, batch_id)


# Rows that the retry refuses get its reason, and lose the planned order of the earlier try.
SET_ERRORS = """
update orders.batch_items i set batch_order_id = null, code = w.code, error = w.error
from unnest($2::smallint[], $3::text[], $4::text[]) as w (position, code, error)
where i.batch_id = $1 and i.position = w.position
"""


async def set_errors(connection: Connection, batch_id: UUID, rows: Sequence[CheckedRow]) -> None:
    """Record why rows can still not be bought; they leave the planned orders of earlier tries."""
    faulty = [(r.row.position, r.errors[0].code, r.errors[0].named) for r in rows if r.errors]
    await connection.execute(
        SET_ERRORS,
        batch_id,
        [position for position, _, _ in faulty],
        [code for _, code, _ in faulty],
        [error for _, _, error in faulty],
    )
