"""SQL of top-ups; nothing here commits."""

from uuid import UUID

from kit.db.database import Connection
from services.orders.payment import Payment
from services.orders.payments.store import COLUMNS, read_row

INSERT = f"""
insert into orders.payments as p (
    id, customer_id, top_up_key, method, amount, currency, hosted, return_url, save_method, expires_at,
    client_address, next_run_at
) values ($1, $2, $3, 'CARD', $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (customer_id, top_up_key) where top_up_key is not null do nothing
returning {COLUMNS}
"""  # noqa: S608 - only COLUMNS goes in


async def insert(connection: Connection, new: Payment, key: str) -> Payment | None:
    """Record a top-up that has not begun at the payment provider; None if the key is in use."""
    row = await connection.fetchrow(
        INSERT,
        new.id,
        new.customer_id,
        key,
        new.amount,
        new.currency,
        new.hosted,
        new.return_url,
        new.save_method,
        new.expires_at,
        new.client_address,
        new.next_run_at,
    )
    return read_row(row) if row else None


BY_KEY = f"""
select {COLUMNS} from orders.payments p where p.customer_id = $1 and p.top_up_key = $2
"""  # noqa: S608 - the same
UNPAID = """
select count(*) from orders.payments
where customer_id = $1 and order_id is null and state = 'AWAITING'
"""


async def by_key(connection: Connection, customer_id: UUID, key: str) -> Payment | None:
    row = await connection.fetchrow(BY_KEY, customer_id, key)
    return read_row(row) if row else None


# Conditional on the ids: another process may have started it since it was read, and returned its secret.
END_UNSTARTED = f"""
update orders.payments p
set state = 'RELEASED', detail = $2, run = null, looks = 0, next_run_at = null, updated_at = now()
where p.id = $1 and p.state = 'AWAITING' and p.intent_id is null and p.session_id is null
returning {COLUMNS}
"""  # noqa: S608 - the same


async def end_unstarted(connection: Connection, payment_id: UUID, detail: str) -> Payment | None:
    """End a top-up for which no client can have a secret; None if it has been started, or has ended."""
    row = await connection.fetchrow(END_UNSTARTED, payment_id, detail)
    return read_row(row) if row else None


async def unpaid(connection: Connection, customer_id: UUID) -> int:
    """Return how many top-ups of a customer are not paid."""
    return int(await connection.fetchval(UNPAID, customer_id))
