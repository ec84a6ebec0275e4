"""SQL of the organisation's balance at the provider: the newest value that was reported."""

from datetime import datetime
from decimal import Decimal

from kit.db.database import Connection

RECORD = """
insert into orders.provider_balance as known (balance, seen_at) values ($1, coalesce($2, now()))
on conflict (only_one) do update set balance = excluded.balance, seen_at = excluded.seen_at
where excluded.seen_at >= known.seen_at
"""


async def record(connection: Connection, balance: Decimal, seen_at: datetime | None = None) -> None:
    """Store a balance that was reported at that time, or now; an older report changes nothing."""
    await connection.execute(RECORD, balance, seen_at)


async def newest(connection: Connection) -> Decimal | None:
    """Return the balance; None before the first report."""
    balance: Decimal | None = await connection.fetchval(
        "select balance from orders.provider_balance"
    )
    return balance
