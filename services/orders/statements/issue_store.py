"""SQL that issues statements; nothing here commits. Lock the organization before its statements."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from kit.reports.statement import BEGINNING
from services.orders.statements.settings import StatementSettings

# The month of the oldest ledger transaction that no statement has, or the month after the last statement if
# that is later. It ends at midnight in the time zone that the organization has now.
NEXT = f"""
select * from (
    select organization_id, month::date as month,
        {BEGINNING.format(day="month", zone="time_zone")} as starts_at,
        {BEGINNING.format(day="month + interval '1 month'", zone="time_zone")} as ends_at, time_zone
    from (
        select u.organization_id, o.time_zone, greatest(
            date_trunc('month', min(u.at) at time zone o.time_zone),
            (
                select max(s.month)::timestamp + interval '1 month' from orders.statements s
                where s.organization_id = u.organization_id
            )
        ) as month
        from orders.unbilled u join orders.organizations o on o.id = u.organization_id
        where $1::uuid is null or u.organization_id = $1
        group by u.organization_id, o.time_zone
    ) waiting
) months
where case when $4 then starts_at else ends_at end <= $2
order by ends_at, organization_id limit $3
"""  # noqa: S608 - only a constant goes in


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month of an organization that is over, and has no statement."""

    organization_id: UUID
    month: date
    starts_at: datetime
    ends_at: datetime
    time_zone: str


async def waiting(connection: Connection, ended_by: datetime, limit: int) -> list[Month]:
    """Return months that had ended at a time, the oldest of each organization."""
    return [Month(**row) for row in await connection.fetch(NEXT, None, ended_by, limit, False)]


async def lock(connection: Connection, organization_id: UUID) -> None:
    """Lock an organization: what it buys or gets back meanwhile belongs to its next statement."""
    await connection.execute(
        "select from orders.organizations where id = $1 for no key update", organization_id
    )


async def next_month(
    connection: Connection, organization_id: UUID, by: datetime, *, begun: bool = False
) -> Month | None:
    """Return the month for which an organization needs a statement; the caller has locked it.

    It had ended by that time, or with `begun` at least begun.
    """
    row = await connection.fetchrow(NEXT, organization_id, by, 1, begun)
    return Month(**row) if row else None


async def has_unbilled(connection: Connection, organization_id: UUID) -> bool:
    """Return whether an organization has bought something that is on no statement."""
    found: Any = await connection.fetchval(
        "select exists (select from orders.unbilled where organization_id = $1)", organization_id
    )
    return bool(found)


# A statement has what was posted until the end of its month, also what was committed too late for the
# statement of an earlier month. The tax of a sale is in the sale's transaction, that of a refund in its own.
ISSUE = """
with lines as (
    select u.ledger_transaction_id, t.at, t.order_id, o.customer_id, o.quantity, e.amount,
        case when erased then '' else coalesce(nullif(o.sold_plan ->> 'title', ''), o.bundle_name) end
            as description,
        case when erased then '' else o.customer_reference end as reference,
        case when erased then '' else coalesce(g.name, '') end as group_name,
        coalesce(tax.amount, 0) as tax, coalesce(tax.country, '') as tax_country,
        row_number() over (order by t.at, t.n)::int as position
    from orders.unbilled u
    join orders.ledger_transactions t on t.id = u.ledger_transaction_id
    join orders.ledger_entries e on e.transaction_id = t.id and e.account = 'receivable:' || u.organization_id
    join orders.esim_orders o on o.id = t.order_id
    cross join lateral (
        select o.customer_id = '00000000-0000-0000-0000-000000000000' as erased
    ) buyer
    left join orders.groups g on g.id = o.group_id
    left join lateral (
        select - sum(x.amount) as amount, max(split_part(x.account, ':', 2)) as country
        from orders.ledger_transactions p join orders.ledger_entries x on x.transaction_id = p.id
        where p.key = case when t.kind = 'TAKE' then 'sale:' || t.order_id else t.key end
            and x.account like 'tax:%'
    ) tax on true
    where u.organization_id = $1 and u.at < $4
),
issued as (
    insert into orders.statements (
        organization_id, month, starts_at, ends_at, time_zone, currency, total, tax, due_on, name,
        billing_address, country, tax_id, locale, issuer, payable_to
    )
    select o.id, $2, $3, $4, $5, o.currency, billed.total, billed.tax,
        (now() at time zone $5)::date + $6::int, o.name, o.billing_address, o.country, o.tax_id, o.locale,
        $7, $8
    from orders.organizations o
    cross join (select sum(amount) as total, sum(tax) as tax from lines having count(*) > 0) billed
    where o.id = $1
    returning id, n, organization_id, total
),
filled as (
    insert into orders.statement_lines (
        statement_id, position, ledger_transaction_id, kind, at, order_id, customer_id, description,
        reference, group_name, quantity, amount, tax, tax_country
    )
    select issued.id, lines.position, lines.ledger_transaction_id,
        case when lines.amount > 0 then 'CHARGE' else 'REFUND' end, lines.at, lines.order_id,
        lines.customer_id, lines.description, lines.reference, lines.group_name, lines.quantity,
        lines.amount, lines.tax, lines.tax_country
    from issued cross join lines
),
gone as (
    delete from orders.unbilled u using lines where u.ledger_transaction_id = lines.ledger_transaction_id
),
notified as (
    insert into orders.outbox (type, subject_id, organization_id, body)
    select 'statement.issued', id, organization_id, jsonb_build_object('n', n, 'total', total::text)
    from issued
)
select id from issued
"""


async def issue(connection: Connection, month: Month, settings: StatementSettings) -> UUID | None:
    """Issue the statement of a month with its lines; None if it would have none.

    The caller has locked the organization.
    """
    found = await connection.fetchval(
        ISSUE,
        month.organization_id,
        month.month,
        month.starts_at,
        month.ends_at,
        month.time_zone,
        settings.due_days,
        settings.issuer,
        settings.payable_to,
    )
    return UUID(str(found)) if found else None


OVERDUE = """
select count(*) from orders.statements s
where (now() at time zone s.time_zone)::date > s.due_on and s.total > coalesce((
    select sum(t.amount) from orders.statement_settlements t where t.statement_id = s.id
), 0)
"""


async def overdue(connection: Connection) -> int:
    """Return how many statements are due."""
    found: Any = await connection.fetchval(OVERDUE)
    return int(found)
