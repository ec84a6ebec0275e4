"""Records of a batch after a run: the provider's orders, our rows, and the travelers in the esims service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kit.values import timestamps
from protos.orders.v1 import batches_pb2 as pb
from tests.chaos.purchase.machine import Machine

# Numbers of delivered and failed rows of a batch, counted without the service.
COUNTS = """
select count(*) filter (where o.status in ('COMPLETED', 'CANCELLED', 'REFUNDED'))::int as delivered,
    count(*) filter (where i.code <> '' or b.state = 'REFUSED' or o.status = 'FAILED')::int as failed,
    count(*)::int as items
from orders.batch_items i
left join orders.batch_orders b on b.id = i.batch_order_id
left join orders.esim_orders o on o.batch_order_id = b.id
where i.batch_id = $1::text::uuid
"""
RESERVED = """
select count(*)::int from orders.budget_reservations where state = 'RESERVED'
"""
SPENT = """
select coalesce(sum(o.total_price), 0) from orders.esim_orders o
where o.batch_order_id is not null and o.status = 'COMPLETED'
"""
# What the wallet paid, according to the payments.
PAID = """
select coalesce(sum(p.captured - p.refunded), 0) from orders.payments p
join orders.esim_orders o on o.id = p.order_id where o.batch_order_id is not null
"""
TRAVELERS = """
select e.iccid, t.name from esims.esims e join esims.travelers t on t.id = e.traveler_id
"""
OPEN = """
select count(*)::int from orders.batch_orders b left join orders.esim_orders o on o.batch_order_id = b.id
where b.state = 'PENDING' or o.status in ('PROCESSING', 'NEEDS_REVIEW')
"""


@dataclass(frozen=True, slots=True)
class ProviderOrder:
    """An order at the provider for one of the batch's plans."""

    reference: str
    bundle: str
    quantity: int
    iccids: frozenset[str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that the audit compares; `names` are the travelers by ICCID, from the esims service."""

    provider_orders: Sequence[ProviderOrder]
    rows: Sequence[pb.BatchItem]
    batch: pb.Batch
    names: Mapping[str, str]
    reserved: int
    open: int
    spent: Decimal
    paid: Decimal
    budget_spent: Decimal
    budget_reserved: Decimal


async def provider_orders(machine: Machine, bundles: Sequence[str]) -> list[ProviderOrder]:
    """Return the provider's orders for these bundles, oldest first."""
    orders = []
    for order in (await machine.control("GET", "/orders"))["orders"]:
        (line,) = order["order"]
        if line["item"] in bundles:
            orders.append(
                ProviderOrder(
                    order["orderReference"],
                    line["item"],
                    line["quantity"],
                    frozenset(line.get("iccids", ())),
                    timestamps.from_iso(order["createdDate"]),
                )
            )
    return sorted(orders, key=lambda order: order.at)


async def counts(machine: Machine, batch_id: str) -> tuple[int, int]:
    """Return how many rows are delivered, and how many failed."""
    async with machine.database() as connection:
        row = await connection.fetchrow(COUNTS, batch_id)
    return (row["delivered"], row["failed"]) if row else (0, 0)


async def value(machine: Machine, query: str) -> Decimal | int:
    async with machine.database() as connection:
        result: Decimal | int = await connection.fetchval(query)
    return result


async def travelers(machine: Machine) -> dict[str, str]:
    async with machine.database() as connection:
        return {row["iccid"]: row["name"] for row in await connection.fetch(TRAVELERS)}
