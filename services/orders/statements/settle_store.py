"""SQL that settles statements; nothing here commits. Lock the organization before its statements."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection
from services.orders.statements import store
from services.orders.statements.statement import Settlement, SettlementKind, Statement

# The organization first, as everything else that changes what it owes.
LOCK = """
select o.id from orders.organizations o
where o.id = (select s.organization_id from orders.statements s where s.id = $1) for no key update
"""


async def lock(connection: Connection, statement_id: UUID) -> Statement | None:
    """Return a statement, and lock it with its organization until the transaction ends."""
    if await connection.fetchval(LOCK, statement_id) is None:
        return None
    return await store.get(connection, statement_id)


async def by_key(connection: Connection, statement_id: UUID, key: str) -> Settlement | None:
    """Return what was recorded under a key before."""
    found = (await store.settlements(connection, [statement_id])).get(statement_id, [])
    return next((one for one in found if one.key == key), None)


RECORD = """
insert into orders.statement_settlements
    (statement_id, kind, amount, key, paid_on, note, other_statement_id, actor)
values ($1, $2, $3, coalesce($4, gen_random_uuid()::text), $5, $6, $7, $8) returning id
"""


async def record(
    connection: Connection,
    statement_id: UUID,
    kind: SettlementKind,
    amount: Decimal,
    actor: str,
    *,
    key: str | None = None,
    paid_on: date | None = None,
    note: str = "",
    other_id: UUID | None = None,
) -> UUID:
    """Record a settlement; the caller has locked the statement. Without a key it gets its own."""
    found = await connection.fetchval(
        RECORD, statement_id, kind, amount, key, paid_on, note, other_id, actor
    )
    return UUID(str(found))


OTHERS = f"""
select * from (
    select {store.COLUMNS} from orders.statements s
    where s.organization_id = $1 and s.id <> $2
) others
where sign(total - settled) = $3
order by n
"""  # noqa: S608 - only COLUMNS goes in


async def opposite(connection: Connection, statement: Statement) -> list[Statement]:
    """Return the organization's statements of which the opposite is left, the oldest first.

    These are unpaid ones for a statement with something left over, and the other way round.
    """
    sign = Decimal(-1 if statement.left > 0 else 1)
    rows = await connection.fetch(OTHERS, statement.organization_id, statement.id, sign)
    return [store.read_row(row) for row in rows]
