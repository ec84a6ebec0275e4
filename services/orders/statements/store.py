"""SQL that reads statements; nothing here commits."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.statements.statement import (
    CreditAccount,
    Line,
    Settlement,
    SettlementKind,
    Statement,
)

COLUMNS = """s.id, s.n, s.organization_id, s.month, s.starts_at, s.ends_at, s.time_zone, s.currency, s.total,
    s.tax, s.due_on, s.name, s.billing_address, s.country, s.tax_id, s.locale, s.issuer, s.payable_to,
    s.issued_at,
    (select count(*) from orders.statement_lines l where l.statement_id = s.id)::int as line_count,
    coalesce((
        select sum(t.amount) from orders.statement_settlements t where t.statement_id = s.id
    ), 0) as settled,
    (now() at time zone s.time_zone)::date > s.due_on as overdue"""

GET = f"select {COLUMNS} from orders.statements s where s.id = $1"  # noqa: S608 - only COLUMNS goes in
LIST = f"""
select * from (
    select {COLUMNS} from orders.statements s
    where ($1::uuid is null or s.organization_id = $1) and ($2::bigint is null or s.n < $2)
) listed
where not $3 or total > settled
order by n desc limit $4
"""  # noqa: S608 - the same


def read_row(row: Any) -> Statement:
    """Build a statement from a row with COLUMNS."""
    return Statement(**dict(row))


async def get(connection: Connection, statement_id: UUID) -> Statement | None:
    row = await connection.fetchrow(GET, statement_id)
    return read_row(row) if row else None


async def list_page(
    connection: Connection,
    organization_id: UUID | None,
    before: int | None,
    limit: int,
    *,
    unpaid_only: bool,
) -> list[Statement]:
    """Return statements, the newest first, from before the number `before`; None: of all organizations."""
    rows = await connection.fetch(LIST, organization_id, before, unpaid_only, limit)
    return [read_row(row) for row in rows]


SETTLEMENTS = """
select t.id, t.statement_id, t.kind, t.n, t.amount, t.key, t.paid_on, t.note, o.n as other_n, t.actor, t.at,
    coalesce((
        select sum(e.amount) from orders.ledger_transactions p
        join orders.ledger_entries e on e.transaction_id = p.id and e.account like 'tax:%'
        where p.key = 'credit_note:' || t.id
    ), 0) as tax
from orders.statement_settlements t left join orders.statements o on o.id = t.other_statement_id
where t.statement_id = any($1::uuid[]) order by t.place
"""


async def settlements(
    connection: Connection, statement_ids: Sequence[UUID]
) -> dict[UUID, list[Settlement]]:
    """Return what settles statements, by statement, the oldest first."""
    found: defaultdict[UUID, list[Settlement]] = defaultdict(list)
    for row in await connection.fetch(SETTLEMENTS, list(statement_ids)):
        values = dict(row) | {"kind": SettlementKind(row["kind"])}
        found[row["statement_id"]].append(Settlement(**values))
    return found


LINES = """
select position, kind, at, order_id, description, reference, group_name, quantity, amount, tax, tax_country
from orders.statement_lines where statement_id = $1 and position > $2::bigint order by position limit $3
"""


async def lines(connection: Connection, statement_id: UUID, after: int, limit: int) -> list[Line]:
    """Return the lines of a statement after a position."""
    return [Line(**row) for row in await connection.fetch(LINES, statement_id, after, limit)]


ACCOUNT = """
select o.id as organization_id, o.currency, o.credit_limit, o.credit_reserved as reserved,
    o.credit_owed as owed,
    coalesce((
        select sum(e.amount) from orders.unbilled u
        join orders.ledger_entries e on e.transaction_id = u.ledger_transaction_id
            and e.account = 'receivable:' || u.organization_id
        where u.organization_id = o.id
    ), 0) as unbilled
from orders.organizations o where o.id = $1
"""


async def account(connection: Connection, organization_id: UUID) -> CreditAccount | None:
    """Return what an organization may buy on account, and what it owes; None without the organization."""
    row = await connection.fetchrow(ACCOUNT, organization_id)
    return CreditAccount(**row) if row else None
