"""SQL of leases: which payments are due, and which run works on one."""

from datetime import timedelta
from uuid import UUID

from kit.db.database import Connection
from services.orders.payments.payment import Payment
from services.orders.payments.store import COLUMNS, read_row

WAKE = """
update orders.payments set next_run_at = now(), run = null, looks = 0
where id = $1 and state in ('AWAITING', 'AUTHORIZED', 'PAID')
"""


async def wake(connection: Connection, payment_id: UUID) -> None:
    """Make a payment due now; a run that works on it loses its lease, as it may have read too early."""
    await connection.execute(WAKE, payment_id)


TAKE = f"""
update orders.payments p set run = $2, next_run_at = now() + $3::interval, looks = p.looks + 1
where p.id = $1 and p.next_run_at <= now()
returning {COLUMNS}
"""  # noqa: S608 - the same
RETURN = """
update orders.payments set run = null, next_run_at = now() + $3::interval where id = $1 and run = $2
"""
DUE = """
select id from orders.payments where next_run_at <= now() order by next_run_at limit $1
"""


async def due(connection: Connection, limit: int) -> list[UUID]:
    """Return payments to look at, the longest waiting first."""
    return [row["id"] for row in await connection.fetch(DUE, limit)]


async def take(
    connection: Connection, payment_id: UUID, run: UUID, lease: timedelta
) -> Payment | None:
    """Lease a payment that is due; None if it is not, or another run has the lease."""
    row = await connection.fetchrow(TAKE, payment_id, run, lease)
    return read_row(row) if row else None


async def put_back(
    connection: Connection, payment_id: UUID, run: UUID, pause: timedelta | None
) -> None:
    """End a lease, and make the payment due after a pause; None: not before something happens to it."""
    await connection.execute(RETURN, payment_id, run, pause)
