"""SQL of purchase attempts: each recorded before the provider is called, and settled afterwards."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from kit.db.database import Connection
from services.orders.order import Order, OrderStatus
from services.orders.purchase.reconcile import Attempt
from services.orders.store import LeaseLostError

START = """
insert into orders.order_attempts (order_id, bundle_name, quantity, target_iccid)
values ($1, $2, $3, $4) returning id
"""


async def start(connection: Connection, order: Order) -> UUID:
    """Record that the provider is about to be called."""
    attempt: UUID = await connection.fetchval(
        START, order.id, order.bundle_name, order.quantity, order.bound_iccid
    )
    return attempt


END = """
update orders.order_attempts
set outcome = $2, ended_at = coalesce(ended_at, now())
where id = $1
"""


async def end(connection: Connection, attempt: UUID, outcome: str) -> None:
    """Record the outcome: PLACED, REFUSED, NOT_SENT, UNCLEAR or ABSENT."""
    await connection.execute(END, attempt, outcome)


# The reference of an order never changes, so another order that has this reference need not be locked.
END_PLACED = """
update orders.order_attempts
set outcome = case
        when exists (select from orders.esim_orders where provider_reference = $2) then 'UNCLEAR'
        else 'PLACED'
    end,
    ended_at = coalesce(ended_at, now()), source_address = coalesce(nullif($3, ''), source_address)
where id = $1
returning outcome = 'PLACED'
"""


async def end_placed(connection: Connection, attempt: UUID, reference: str, source: str) -> bool:
    """Record that the provider took the order: the attempt is PLACED.

    If another order already has the reference, the attempt is UNCLEAR, and the result is False. `source` is
    the address that the attempt was sent from, if the provider reported it.
    """
    placed: bool = await connection.fetchval(END_PLACED, attempt, reference, source)
    return placed


# The newest thousand attempts are enough to find all addresses that the platform uses now.
SOURCES = """
select distinct source_address from (
    select source_address from orders.order_attempts
    where source_address is not null and started_at > now() - interval '1 day'
    order by started_at desc limit 1000
) newest
"""


async def own_addresses(connection: Connection) -> frozenset[str]:
    """Return the addresses that this platform bought from in the last day, as the provider reported them."""
    return frozenset(row["source_address"] for row in await connection.fetch(SOURCES))


KEEP_LEASE = "select from orders.esim_orders where id = $1 and lease_owner = $2 for no key update"


async def keep_lease(connection: Connection, order_id: UUID, run: UUID) -> None:
    """Let no other run take over the order before the transaction ends.

    Raises LeaseLostError if one did so already.
    """
    if await connection.fetchrow(KEEP_LEASE, order_id, run) is None:
        raise LeaseLostError


ABANDONED = """
update orders.order_attempts set outcome = 'UNCLEAR', ended_at = now()
where order_id = $1 and outcome = 'OPEN'
"""


async def end_abandoned(connection: Connection, order_id: UUID) -> None:
    """End attempts whose process died: the holder of the order's lease knows that none is in flight."""
    await connection.execute(ABANDONED, order_id)


END_UNCLEAR = """
update orders.order_attempts set outcome = $2, ended_at = coalesce(ended_at, now())
where order_id = $1 and outcome in ('OPEN', 'UNCLEAR')
"""


async def end_unclear(connection: Connection, order_id: UUID, outcome: str) -> None:
    """Settle the open and unclear attempts of an order as an operator decided: PLACED or ABSENT."""
    await connection.execute(END_UNCLEAR, order_id, outcome)


COUNTS = """
select outcome, count(*)::int as number from orders.order_attempts
where order_id = $1 group by outcome
"""


async def counts(connection: Connection, order_id: UUID) -> Mapping[str, int]:
    """Return how many attempts of an order ended in each outcome."""
    return {r["outcome"]: r["number"] for r in await connection.fetch(COUNTS, order_id)}


# Equal attempts (same bundle, quantity and target) are settled one at a time, so that each settlement sees
# the results of the others.
LOCK = "select pg_advisory_xact_lock(hashtextextended($1 || coalesce($3, ''), $2))"


async def lock(connection: Connection, order: Order) -> None:
    """Block other settlements of attempts equal to this order's until the transaction ends."""
    await connection.execute(LOCK, order.bundle_name, order.quantity, order.bound_iccid)


UNSETTLED = """
select a.id, a.order_id, a.started_at, a.ended_at, o.status
from orders.order_attempts a join orders.esim_orders o on o.id = a.order_id
where a.bundle_name = $1 and a.quantity = $2 and a.outcome in ('OPEN', 'UNCLEAR')
    and a.target_iccid is not distinct from $3
"""


async def unsettled(connection: Connection, order: Order) -> list[Attempt]:
    """Return all attempts equal to the order's that are in flight or may have bought.

    Equal attempts have the same bundle, quantity and target: the same eSIM, or a new one.
    """
    rows = await connection.fetch(UNSETTLED, order.bundle_name, order.quantity, order.bound_iccid)
    return [
        Attempt(
            id=row["id"],
            order_id=row["order_id"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            in_review=row["status"] == OrderStatus.NEEDS_REVIEW,
        )
        for row in rows
    ]


OLDEST = """
select min(a.started_at) as started_at, now() as now
from orders.order_attempts a join orders.esim_orders o on o.id = a.order_id
where a.bundle_name = $1 and a.quantity = $2 and a.outcome = 'UNCLEAR' and o.status = 'PROCESSING'
    and a.target_iccid is not distinct from $3
"""


async def oldest_unclear(connection: Connection, order: Order) -> tuple[datetime, datetime]:
    """Return the start of the oldest unclear attempt that equals the order's, and the database's time."""
    row = await connection.fetchrow(OLDEST, order.bundle_name, order.quantity, order.bound_iccid)
    if row is None or row["started_at"] is None:
        raise LookupError(f"order {order.id} has no unclear attempt")
    return row["started_at"], row["now"]
