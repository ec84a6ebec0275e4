"""SQL of leases: which payments are due, and which run works on one."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.payment import Payment, PaymentState
from services.orders.payments import order_store
from services.orders.payments.order_store import Standing
from services.orders.payments.store import COLUMNS, read_row

WAKE = """
update orders.payments set next_run_at = now(), run = null, looks = 0
where id = $1 and state = any($2::text[])
"""
UNFINISHED = (PaymentState.AWAITING, PaymentState.AUTHORIZED, PaymentState.PAID)


async def wake(
    connection: Connection, payment_id: UUID, states: Sequence[PaymentState] = UNFINISHED
) -> bool:
    """Make a payment due now if it is in one of these states; return if it was.

    A run that works on it loses its lease, as it may have read too early.
    """
    return await connection.execute(WAKE, payment_id, states) == "UPDATE 1"


TAKE_OVER = f"""
update orders.payments p set run = $2, next_run_at = now() + $3::interval, looks = 1
where p.id = $1 and p.state = any($4::text[])
returning {COLUMNS}
"""  # noqa: S608 - only COLUMNS goes in
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
) -> tuple[Payment, Standing | None] | None:
    """Lease a payment that is due, and return it with the standing of its order, if it has one.

    Returns None if it is not due, or another run has the lease.
    """
    return await _with_standing(connection, await connection.fetchrow(TAKE, payment_id, run, lease))


async def take_over(
    connection: Connection,
    payment_id: UUID,
    run: UUID,
    lease: timedelta,
    states: Sequence[PaymentState] = UNFINISHED,
) -> tuple[Payment, Standing | None] | None:
    """Do what `wake` and `take` do, in one statement; None if the payment is in none of these states."""
    row = await connection.fetchrow(TAKE_OVER, payment_id, run, lease, states)
    return await _with_standing(connection, row)


async def _with_standing(
    connection: Connection, row: Any
) -> tuple[Payment, Standing | None] | None:
    if row is None:
        return None
    payment = read_row(row)
    if payment.order_id is None:
        return payment, None
    # Not in the same statement: that may have waited for a change of the order, and would not see it.
    return payment, await order_store.standing(connection, payment.order_id)


async def put_back(
    connection: Connection, payment_id: UUID, run: UUID, pause: timedelta | None
) -> None:
    """End a lease, and make the payment due after a pause; None: not before something happens to it."""
    await connection.execute(RETURN, payment_id, run, pause)
