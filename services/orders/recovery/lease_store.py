"""SQL of leases: which orders are due, and which run works on one."""

from datetime import timedelta
from uuid import UUID

from opentelemetry.trace import SpanContext

from kit.db.database import Connection
from kit.telemetry import tracing
from services.orders.order import Order
from services.orders.store import ALL_COLUMNS, read_row

TAKE_LEASE = f"""
update orders.esim_orders as o
set lease_owner = $2, leased_until = now() + $3::interval
where o.id = $1
    and (o.status = 'PROCESSING' or (o.status = 'COMPLETED' and o.cancel_requested_at is not null))
    and (o.leased_until is null or o.leased_until <= now())
    and o.next_run_at <= now() and o.recovery_point <> 'AWAITING_PAYMENT'
returning {ALL_COLUMNS}
"""  # noqa: S608 - only ALL_COLUMNS goes in


async def take_lease(
    connection: Connection, order_id: UUID, run: UUID, length: timedelta
) -> Order | None:
    """Lease an order; None if no work on it is due, or another run has the lease."""
    row = await connection.fetchrow(TAKE_LEASE, order_id, run, length)
    return read_row(row) if row else None


RELEASE = """
update orders.esim_orders
set lease_owner = null, leased_until = null, next_run_at = now() + $3::interval
where id = $1 and lease_owner = $2
"""


async def release(connection: Connection, order_id: UUID, run: UUID, again_in: timedelta) -> None:
    """Release the lease of a run that has to wait; the step that finishes an order releases it too."""
    await connection.execute(RELEASE, order_id, run, again_in)


BRING_FORWARD = """
update orders.esim_orders set next_run_at = now()
where id in (
    select id from orders.esim_orders
    where next_run_at > now() and status in ('PROCESSING', 'COMPLETED')
    order by id for no key update
)
"""


async def bring_forward(connection: Connection) -> None:
    """Make every waiting order due now."""
    await connection.execute(BRING_FORWARD)


async def leased(connection: Connection, order_id: UUID) -> bool:
    return bool(
        await connection.fetchval(
            "select leased_until > now() from orders.esim_orders where id = $1", order_id
        )
    )


# The process that records an order starts it immediately, and resumes it after short pauses. Other processes
# take over only if it is overdue by this time.
GRACE = timedelta(seconds=1)
OVERDUE = """
select id, trace_parent from orders.esim_orders
where next_run_at <= now() - $1::interval and (leased_until is null or leased_until <= now())
order by next_run_at
limit $2
"""


async def overdue(connection: Connection, limit: int) -> list[tuple[UUID, SpanContext | None]]:
    """Return orders to resume, the longest waiting first, with the trace in which each began."""
    rows = await connection.fetch(OVERDUE, GRACE, limit)
    return [(row["id"], tracing.from_traceparent(row["trace_parent"])) for row in rows]
