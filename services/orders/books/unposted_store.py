"""SQL of orders that are posted in the background; nothing here commits."""

from dataclasses import dataclass
from uuid import UUID

from kit.db.database import Connection
from services.orders.order import Order
from services.orders.store import ALL_COLUMNS, read_row


@dataclass(frozen=True, slots=True)
class Unposted:
    """An order with its cost; the provider has paid back `returned` of its bundles."""

    order: Order
    paid_here: bool
    returned: int


async def waiting(connection: Connection, limit: int) -> list[UUID]:
    """Return orders that have something to post, the longest waiting first."""
    rows = await connection.fetch(
        "select order_id from orders.unposted_orders order by at limit $1", limit
    )
    return [row["order_id"] for row in rows]


TAKE = """
delete from orders.unposted_orders where order_id in (
    select order_id from orders.unposted_orders where order_id = $1 for update skip locked
) returning order_id
"""
FACTS = """
select o.paid_by is not distinct from 'CUSTOMER' as paid_here,
    least(o.quantity, (
        select count(*) from orders.order_revocations r
        where r.order_id = o.id and r.state = 'REVOKED' and r.refund = 'BALANCE'
    ))::int as returned
from orders.esim_orders o where o.id = $1
"""
ORDER = f"select {ALL_COLUMNS} from orders.esim_orders o where o.id = $1"  # noqa: S608 - only constants


async def take(connection: Connection, order_id: UUID) -> Unposted | None:
    """Remove an order from those that wait, and return it; None if another process has done so."""
    if await connection.fetchval(TAKE, order_id) is None:
        return None
    facts = await connection.fetchrow(FACTS, order_id)
    row = await connection.fetchrow(ORDER, order_id)
    if row is None or facts is None:
        return None
    return Unposted(read_row(row), facts["paid_here"], facts["returned"])
