"""SQL of delivered eSIMs: ICCIDs and install details by order."""

from collections.abc import Sequence
from uuid import UUID

from kit.db.database import Connection
from services.orders.order import DeliveredESIM, Order

RECORD_ESIM = """
insert into orders.order_esims
    (order_id, iccid, customer_id, position, matching_id, smdp_address)
values ($1, $2, $3, $4, $5, $6)
on conflict (order_id, iccid) do nothing
"""


async def record(connection: Connection, order: Order, esims: Sequence[DeliveredESIM]) -> None:
    """Record delivered eSIMs; repeatable."""
    await connection.executemany(
        RECORD_ESIM,
        [
            (order.id, e.iccid, order.customer_id, position, e.matching_id, e.smdp_address)
            for position, e in enumerate(esims)
        ],
    )


ESIMS = """
select order_id, iccid, matching_id, smdp_address from orders.order_esims
where order_id = any($1::uuid[]) order by order_id, position
"""


async def of_order(connection: Connection, order_id: UUID) -> list[DeliveredESIM]:
    return (await of_orders(connection, [order_id]))[order_id]


async def of_orders(
    connection: Connection, order_ids: Sequence[UUID]
) -> dict[UUID, list[DeliveredESIM]]:
    """Return the eSIMs of each order; an empty list for an order without any."""
    found: dict[UUID, list[DeliveredESIM]] = {order_id: [] for order_id in order_ids}
    for row in await connection.fetch(ESIMS, list(order_ids)):
        values = dict(row)
        found[values.pop("order_id")].append(DeliveredESIM(**values))
    return found


async def record_registered(connection: Connection, order_id: UUID) -> None:
    await connection.execute(
        "update orders.order_esims set registered_at = now() where order_id = $1", order_id
    )


KNOWN = """
select iccid from orders.order_esims where iccid = any($1::text[])
union
select target_iccid from orders.esim_orders where target_iccid = any($1::text[])
"""


async def known_iccids(connection: Connection, iccids: Sequence[str]) -> frozenset[str]:
    """Return the ICCIDs that an order of this platform has delivered or topped up."""
    rows = await connection.fetch(KNOWN, list(iccids))
    return frozenset(row["iccid"] for row in rows)
