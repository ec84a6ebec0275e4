"""SQL of callbacks: orders by the provider's reference, and reports of the balance."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection
from services.orders import store
from services.orders.order import Order

LOCK_BY_REFERENCE = """
select id from orders.esim_orders
where provider_reference in ($1, lower($1), upper($1))
order by provider_reference <> $1 limit 1 for no key update
"""


async def lock_by_reference(connection: Connection, reference: str) -> Order | None:
    """Return the order of the provider's reference, locked until the transaction ends.

    References are UUIDs, which some programs write in capitals.
    """
    order_id = await connection.fetchval(LOCK_BY_REFERENCE, reference)
    return None if order_id is None else (await store.get(connection, [order_id]))[0]


MAKE_DUE = """
update orders.esim_orders set next_run_at = now() where id = $1 and status = 'PROCESSING'
"""


async def make_due(connection: Connection, order_id: UUID) -> None:
    """Make a waiting order due now."""
    await connection.execute(MAKE_DUE, order_id)


RECORD_BALANCE = """
insert into orders.balance_events (event_id, received_at, kind, balance, old_balance, threshold)
values ($1, $2, $3, $4, $5, $6)
on conflict (event_id) do nothing
returning not exists (
    select from orders.balance_events b where b.received_at > $2
) as newest
"""


async def record_balance(
    connection: Connection,
    event_id: UUID,
    received_at: datetime,
    kind: str,
    balance: Decimal,
    old_balance: Decimal | None,
    threshold: Decimal | None,
) -> bool | None:
    """Record what a callback reports of the balance. Return whether it is the newest; None if it is known."""
    row = await connection.fetchrow(
        RECORD_BALANCE, event_id, received_at, kind, balance, old_balance, threshold
    )
    return None if row is None else bool(row["newest"])


READ_BALANCE_SOON = "update orders.provider_audits set due_at = now() where due_at > now()"


async def read_balance_soon(connection: Connection) -> None:
    """Make the audit due now, which reads the balance from the provider."""
    await connection.execute(READ_BALANCE_SOON)
