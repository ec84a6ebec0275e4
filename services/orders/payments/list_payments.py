"""SQL of lists of payments."""

from datetime import datetime
from uuid import UUID

from kit.db.database import Connection
from services.orders.payment import Payment
from services.orders.payments.requests import PaymentFilter
from services.orders.payments.store import COLUMNS, read_row

# The values of PaymentStatus, as messages.status_of returns them to the staff.
LIST = f"""
select {COLUMNS} from orders.payments p
where ($1::uuid is null or p.customer_id = $1)
    and ($2::timestamptz is null or p.created_at >= $2)
    and ($3::timestamptz is null or p.created_at < $3)
    and ($4::timestamptz is null or (p.created_at, p.id) < ($4, $5::uuid))
    and (cardinality($6::integer[]) = 0 or case
        when p.state = 'AWAITING' then 1
        when p.state = 'RELEASED' then 5
        when p.held_reason <> '' and p.reviewed_at is null and p.state in ('AUTHORIZED', 'PAID') then 2
        when p.state = 'AUTHORIZED' then 3
        when p.refunded = 0 then 4
        when p.refunded < p.captured then 6
        else 7
    end = any($6))
order by p.created_at desc, p.id desc
limit $7
"""  # noqa: S608 - only COLUMNS goes in


async def list_payments(connection: Connection, wanted: PaymentFilter, limit: int) -> list[Payment]:
    """Return at most `limit` payments, the newest first."""
    created_at, payment_id = wanted.after or (None, None)
    rows = await connection.fetch(
        LIST,
        wanted.customer_id,
        wanted.since,
        wanted.until,
        created_at,
        payment_id,
        wanted.statuses,
        limit,
    )
    return [read_row(row) for row in rows]


HELD = f"""
select {COLUMNS} from orders.payments p
where p.held_reason <> '' and p.reviewed_at is null and p.state in ('AUTHORIZED', 'PAID')
    and ($1::timestamptz is null or (p.held_at, p.id) > ($1, $2::uuid))
order by p.held_at, p.id
limit $3
"""  # noqa: S608 - the same


async def list_held(
    connection: Connection, after: tuple[datetime, UUID] | None, limit: int
) -> list[Payment]:
    """Return at most `limit` payments of held orders, the oldest first."""
    held_at, payment_id = after or (None, None)
    return [read_row(row) for row in await connection.fetch(HELD, held_at, payment_id, limit)]
