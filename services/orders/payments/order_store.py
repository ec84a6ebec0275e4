"""SQL with which payments move their orders; nothing here commits."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind
from services.orders import step_log
from services.orders.order import Order, OrderStatus, RecoveryPoint
from services.orders.status_reasons import GOES_BACK, NOT_CHARGED, FailureReason
from services.orders.store import ALL_COLUMNS, read_row


@dataclass(frozen=True, slots=True)
class Standing:
    """Status and recovery point of the order of a payment."""

    order_id: UUID
    status: OrderStatus
    point: RecoveryPoint
    created_at: datetime

    @property
    def unpaid(self) -> bool:
        """True if the order waits for its payment, or for a person who looks at it."""
        return (
            self.status is OrderStatus.PROCESSING and self.point is RecoveryPoint.AWAITING_PAYMENT
        )


STANDING = """
select id, status, recovery_point, created_at from orders.esim_orders where id = $1
"""


async def standing(connection: Connection, order_id: UUID) -> Standing:
    """Return the standing of an order; raises Failure NOT_FOUND (ORDER_NOT_FOUND)."""
    return _standing(await connection.fetchrow(STANDING, order_id))


async def lock(connection: Connection, order_id: UUID) -> Standing:
    """Return the standing of an order, and lock it until the transaction ends."""
    return _standing(await connection.fetchrow(f"{STANDING} for no key update", order_id))


def _standing(row: Any) -> Standing:
    if row is None:
        raise Failure(Kind.NOT_FOUND, "ORDER_NOT_FOUND", "No order has this id; list the orders")
    return Standing(
        row["id"],
        OrderStatus(row["status"]),
        RecoveryPoint(row["recovery_point"]),
        row["created_at"],
    )


EVENT = """
insert into orders.order_events (order_id, from_status, to_status, actor, reason, note)
values ($1, $2, $3, $4, $5, $6)
"""
CLAIM = f"""
with claimed as (
    update orders.esim_orders as o
    set recovery_point = 'CLAIMED', status_reason = '', next_run_at = now(), updated_at = now(),
        lease_owner = $2, leased_until = now() + $3::interval
    where o.id = $1 and o.status = 'PROCESSING' and o.recovery_point = 'AWAITING_PAYMENT'
    returning {ALL_COLUMNS}
),
event as (
    insert into orders.order_events (order_id, from_status, to_status, actor, reason, note)
    select id, status, status, $4, $5, $6 from claimed
)
select {ALL_COLUMNS} from claimed as o
"""  # noqa: S608 - only ALL_COLUMNS goes in


async def claim(
    connection: Connection,
    order_id: UUID,
    run: UUID,
    lease: timedelta,
    *,
    event: str,
    actor: str,
    note: str = "",
) -> Order | None:
    """Let a paid order be bought by a run, which gets its lease; None if it does not await its payment."""
    row = await connection.fetchrow(CLAIM, order_id, run, lease, actor, event, note)
    if row is None:
        return None
    claimed = read_row(row)
    step_log.step_of(claimed, event, actor)
    return claimed


async def record(
    connection: Connection,
    order_id: UUID,
    status: OrderStatus,
    event: str,
    *,
    actor: str,
    note: str = "",
) -> None:
    """Add a step to the order's history without changing the order."""
    await connection.execute(EVENT, order_id, status, status, actor, event, note)
    step_log.outcome(order_id, event, status, by=actor)


FAIL = """
update orders.esim_orders
set status = 'FAILED', status_reason = $2, failure_reason = $3,
    operator_detail = coalesce($4, operator_detail), next_run_at = null, lease_owner = null,
    leased_until = null, updated_at = now()
where id = $1 and status = 'PROCESSING' and recovery_point = 'AWAITING_PAYMENT'
"""


async def fail(
    connection: Connection,
    order_id: UUID,
    failure: FailureReason,
    message: str,
    *,
    event: str,
    actor: str,
    detail: str | None = None,
    note: str = "",
) -> bool:
    """Fail an order that was not bought yet; False if it does not wait for its payment any more.

    A trigger makes its payment due, if that has to be released.
    """
    if await connection.execute(FAIL, order_id, message, failure, detail) != "UPDATE 1":
        return False
    await connection.execute(
        EVENT, order_id, OrderStatus.PROCESSING, OrderStatus.FAILED, actor, event, note
    )
    step_log.outcome(order_id, event, OrderStatus.FAILED, by=actor, failure=failure)
    return True


# A run that only reads loses its lease. One with an open attempt may be buying: its answer must not be lost.
REVIEW = """
update orders.esim_orders o
set status = 'NEEDS_REVIEW', status_reason = $2, operator_detail = $3, next_run_at = null,
    lease_owner = null, leased_until = null, updated_at = now()
where o.id = $1 and o.status = 'PROCESSING' and o.recovery_point in ('ATTEMPTED', 'PLACED')
    and (o.leased_until is null or o.leased_until <= now() or not exists (
        select from orders.order_attempts a where a.order_id = o.id and a.outcome = 'OPEN'
    ))
"""


async def send_to_review(
    connection: Connection, order_id: UUID, message: str, detail: str, *, event: str, actor: str
) -> bool:
    """Send an order to review that may have been bought; False if it has moved on, or is being bought."""
    if await connection.execute(REVIEW, order_id, message, detail) != "UPDATE 1":
        return False
    await connection.execute(
        EVENT, order_id, OrderStatus.PROCESSING, OrderStatus.NEEDS_REVIEW, actor, event, ""
    )
    step_log.outcome(order_id, event, OrderStatus.NEEDS_REVIEW, by=actor)
    return True


EXPLAIN = """
update orders.esim_orders set status_reason = replace(status_reason, $2, $3), updated_at = now()
where id = $1 and strpos(status_reason, $2) > 0
"""


async def promise_refund(connection: Connection, order_id: UUID) -> None:
    """Correct the message of a failed order whose payment was taken already."""
    await connection.execute(EXPLAIN, order_id, NOT_CHARGED, GOES_BACK)


EXPLAIN_REFUND = """
update orders.esim_orders set status_reason = $2, updated_at = now()
where id = $1 and status in ('CANCELLED', 'REFUNDED')
"""


async def explain_refund(connection: Connection, order_id: UUID, message: str) -> None:
    """Say what became of the refund of a cancelled order; does nothing for other orders."""
    await connection.execute(EXPLAIN_REFUND, order_id, message)
