"""SQL of orders that are posted in the background; nothing here commits."""

from collections.abc import Sequence
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
    select order_id from orders.unposted_orders where order_id = any($1::uuid[]) for update skip locked
) returning order_id
"""
FACTS = f"""
select {ALL_COLUMNS},
    least(o.quantity, (
        select count(*) from orders.order_revocations r
        where r.order_id = o.id and r.state = 'REVOKED' and r.refund = 'BALANCE'
    ))::int as returned
from orders.esim_orders o where o.id = any($1::uuid[])
"""  # noqa: S608 - only constants


async def take(connection: Connection, order_ids: Sequence[UUID]) -> list[Unposted]:
    """Remove orders from those that wait, and return those that no other process has removed."""
    taken = [row["order_id"] for row in await connection.fetch(TAKE, list(order_ids))]
    found = []
    # After the rows are locked: what the orders are then is posted.
    for row in await connection.fetch(FACTS, taken):
        values = dict(row)
        returned = values.pop("returned")
        order = read_row(values)
        found.append(Unposted(order, order.has_payment, returned))
    return found
