"""SQL that finds what events of the payment provider are about."""

from uuid import UUID

from kit.db.database import Connection

# Each column has its own unique index.
FIND = """
select id from orders.payments
where id = $1 or intent_id = $2 or charge_id = $3 or session_id = $4
limit 1
"""


async def find(
    connection: Connection,
    payment_id: UUID | None,
    intent_id: str | None,
    charge_id: str | None,
    session_id: str | None,
) -> UUID | None:
    """Return the payment with one of these ids; None if there is none here."""
    found: UUID | None = await connection.fetchval(
        FIND, payment_id, intent_id, charge_id, session_id
    )
    return found
