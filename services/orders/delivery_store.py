"""SQL of delivered eSIMs: ICCIDs and install details by order."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from kit.db.database import Connection
from services.orders.order import DeliveredESIM, Order
from services.orders.traveler import Traveler

RECORD_ESIM = """
insert into orders.order_esims
    (order_id, iccid, customer_id, position, matching_id, smdp_address)
values ($1, $2, $3, $4, $5, $6)
on conflict (order_id, iccid) do nothing
"""

# The provider gives no line identity, and eSIMs of one plan are interchangeable: they belong to the rows of
# the planned order by position. Repeating it changes nothing.
MAP_TO_ROWS = """
with slots as (
    select i.position, row_number() over (order by i.position, n) as slot
    from orders.batch_items i cross join lateral generate_series(1, i.quantity) as n
    where i.batch_order_id = $2
),
delivered as (
    select e.iccid, row_number() over (order by e.position, e.iccid) as slot
    from orders.order_esims e where e.order_id = $1
)
update orders.order_esims e set batch_position = s.position
from delivered d join slots s using (slot)
where e.order_id = $1 and e.iccid = d.iccid and e.batch_position is null
"""
TRAVELERS = """
select e.iccid, i.traveler_id, i.traveler_name, i.traveler_email, i.traveler_user_id
from orders.order_esims e
join orders.esim_orders o on o.id = e.order_id
join orders.batch_items i on i.batch_order_id = o.batch_order_id and i.position = e.batch_position
where e.order_id = $1 and i.traveler_id is not null
"""


async def travelers(connection: Connection, order_id: UUID) -> dict[str, Traveler]:
    """Return who travels with the eSIMs of an order, by ICCID; `connection` is the system's."""
    return {
        row["iccid"]: Traveler(
            row["traveler_name"], row["traveler_email"], row["traveler_user_id"], row["traveler_id"]
        )
        for row in await connection.fetch(TRAVELERS, order_id)
    }


async def record(connection: Connection, order: Order, esims: Sequence[DeliveredESIM]) -> None:
    """Record delivered eSIMs; repeatable."""
    await connection.executemany(
        RECORD_ESIM,
        [
            (order.id, e.iccid, order.customer_id, position, e.matching_id, e.smdp_address)
            for position, e in enumerate(esims)
        ],
    )
    if order.batch_order_id is not None:
        await connection.execute(MAP_TO_ROWS, order.id, order.batch_order_id)


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


async def record_reassigned(connection: Connection, order_id: UUID) -> None:
    """Record that the bundle was delivered on another eSIM than the requested one."""
    await connection.execute(
        "update orders.esim_orders set reassigned = true where id = $1", order_id
    )


async def placed_ago(connection: Connection, order_id: UUID) -> timedelta:
    """Return how long ago the provider took the order."""
    ago = await connection.fetchval(
        "select now() - placed_at as ago from orders.esim_orders where id = $1", order_id
    )
    return ago if isinstance(ago, timedelta) else timedelta()


KNOWN = """
select iccid from orders.order_esims where iccid = any($1::text[])
union
select target_iccid from orders.esim_orders where target_iccid = any($1::text[])
"""


async def known_iccids(connection: Connection, iccids: Sequence[str]) -> frozenset[str]:
    """Return the ICCIDs that an order of this platform has delivered or topped up."""
    rows = await connection.fetch(KNOWN, list(iccids))
    return frozenset(row["iccid"] for row in rows)
