"""Both sides' records after a run: the sandbox's charges, our tables, and what customers see."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tests.chaos.purchase.machine import Machine

ORDERS = """
select o.id::text as id, o.idempotency_key as key, o.customer_id::text as customer, o.status,
    o.provider_reference as reference, o.total_price as total, o.bundle_name as bundle, o.quantity,
    array(select e.iccid from orders.order_esims e where e.order_id = o.id) as delivered,
    o.target_iccid as target, o.failure_reason as failure, o.unit_price as unit,
    o.max_price as max_price, o.charged_above as charged_above,
    (select max(a.started_at) from orders.order_attempts a
     where a.order_id = o.id and a.outcome = 'PLACED') as placed_at,
    array(select e.iccid from esims.esims e
          where e.customer_id = o.customer_id and (e.order_id = o.id or e.iccid in (
              select d.iccid from orders.order_esims d
              where d.order_id = o.id and d.iccid = o.target_iccid))) as registered,
    (select count(*)::int from orders.order_attempts a
     where a.order_id = o.id and a.outcome in ('OPEN', 'UNCLEAR')) as open_attempts
from orders.esim_orders o order by o.created_at
"""


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge of the provider, and what it delivered for it."""

    reference: str
    amount: Decimal
    bundle: str
    quantity: int
    iccids: frozenset[str]


@dataclass(frozen=True, slots=True)
class RecordedOrder:
    """An order in our tables; `delivered` is from the orders service, `registered` from esims.

    `target` is the ICCID of the customer's eSIM in a top-up.
    """

    id: str
    key: str | None
    customer: str
    status: str
    reference: str | None
    total: Decimal
    bundle: str
    quantity: int
    delivered: tuple[str, ...]
    registered: tuple[str, ...]
    open_attempts: int
    target: str | None = None
    failure: str = ""
    unit: Decimal | None = None  # the expected price of one
    max_price: Decimal | None = None
    charged_above: Decimal | None = None
    placed_at: datetime | None = None  # start of the attempt that bought it

    @property
    def outcome(self) -> str:
        """Return the status with its details, for a table."""
        kind = ", top-up" if self.target else ""
        return f"{self.status}{kind}{f', {self.failure}' if self.failure else ''}"


async def charges(machine: Machine) -> list[Charge]:
    """Return every charge of the sandbox's ledger."""
    orders = {
        order["orderReference"]: order
        for order in (await machine.control("GET", "/orders"))["orders"]
    }
    found = []
    for entry in (await machine.control("GET", "/ledger"))["ledger"]:
        if entry["kind"] != "order":
            continue
        order = orders[entry["reference"]]
        (line,) = order["order"]
        found.append(
            Charge(
                reference=entry["reference"],
                amount=-Decimal(entry["amount"]),
                bundle=line["item"],
                quantity=line["quantity"],
                iccids=frozenset(line.get("iccids", ())),
            )
        )
    return found


async def recorded(machine: Machine) -> list[RecordedOrder]:
    """Return every order of our tables."""
    async with machine.database() as connection:
        rows = await connection.fetch(ORDERS)
    return [
        RecordedOrder(
            **{**row, "delivered": tuple(row["delivered"]), "registered": tuple(row["registered"])}
        )
        for row in rows
    ]


async def processing(machine: Machine) -> int:
    """Return how many orders are in progress."""
    async with machine.database() as connection:
        count: int = await connection.fetchval(
            "select count(*) from orders.esim_orders where status = 'PROCESSING'"
        )
    return count
