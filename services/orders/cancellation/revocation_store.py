"""SQL of cancellations: each bundle is recorded before and after its revoke."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from kit.telemetry import tracing
from services.orders.cancellation.revocation import Revocation
from services.orders.order import Order, Refund

REQUEST = """
update orders.esim_orders
set cancel_requested_at = now(), cancel_unused_only = $2, next_run_at = now(), updated_at = now(),
    trace_parent = coalesce($3, trace_parent)
where id = $1 and status = 'COMPLETED' and cancel_requested_at is null
returning id
"""
PLAN = """
insert into orders.order_revocations
    (order_id, customer_id, iccid, assignment_id, bundle_name, to_balance, state, refund_percent)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (order_id, assignment_id) do update
set state = excluded.state, to_balance = excluded.to_balance, refund_percent = excluded.refund_percent,
    provider_text = '', updated_at = now()
where order_revocations.state = 'REFUSED'
"""


async def request(
    connection: Connection,
    order: Order,
    planned: Sequence[tuple[Revocation, bool]],
    *,
    unused_only: bool,
) -> bool:
    """Record that the order is to be cancelled, and how; False if that was recorded before.

    Each revocation comes with True if its refund is requested to the balance.
    """
    trace_parent = tracing.to_traceparent(tracing.current_context())
    if await connection.fetchval(REQUEST, order.id, unused_only, trace_parent) is None:
        return False
    await connection.executemany(
        PLAN,
        [
            (
                order.id,
                order.customer_id,
                r.iccid,
                r.assignment_id,
                r.bundle_name,
                to_balance,
                r.state,
                r.refund_percent,
            )
            for r, to_balance in planned
        ],
    )
    return True


LIST = """
select iccid, assignment_id, bundle_name, state, refund, refund_percent
from orders.order_revocations where order_id = $1 order by iccid, assignment_id
"""


def _revocation(row: Any) -> Revocation:
    values = dict(row)
    values["refund"] = Refund(values["refund"]) if values["refund"] else None
    return Revocation(**values)


async def list_revocations(connection: Connection, order_id: UUID) -> list[Revocation]:
    return [_revocation(row) for row in await connection.fetch(LIST, order_id)]


TO_BALANCE = """
select to_balance from orders.order_revocations where order_id = $1 and assignment_id = $2
"""


async def to_balance(connection: Connection, order_id: UUID, assignment_id: str) -> bool:
    """Return whether the refund is requested to the balance."""
    return bool(await connection.fetchval(TO_BALANCE, order_id, assignment_id))


MARK = """
update orders.order_revocations
set state = $3, refund = coalesce($4, refund), provider_text = coalesce($5, provider_text),
    updated_at = now()
where order_id = $1 and assignment_id = $2
"""


async def mark(
    connection: Connection,
    order_id: UUID,
    assignment_id: str,
    state: str,
    refund: Refund | None = None,
    provider_text: str | None = None,
) -> None:
    """Update one revocation; fields that are None stay."""
    await connection.execute(MARK, order_id, assignment_id, state, refund, provider_text)


async def withdraw(connection: Connection, order_id: UUID) -> None:
    """End the cancellation and leave the order as it is; it may be requested again."""
    await connection.execute(
        "update orders.esim_orders set cancel_requested_at = null where id = $1", order_id
    )
