"""SQL of budgets: lists and changes; nothing here commits."""

from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.budgets.budget import Budget, BudgetTarget, Period, Scope
from services.orders.budgets.requests import Limit

# The present period of each budget, and what was spent in it.
PRESENT = """
from orders.budgets b
join orders.organizations o on o.id = b.organization_id
cross join lateral (select orders.period_start(b.period, o.time_zone, now()) as starts_on) d
left join orders.budget_periods p on p.budget_id = b.id and p.starts_on = d.starts_on
"""
COLUMNS = """b.id, b.organization_id, b.scope, b.group_id, b.user_id, b.period, b.amount, b.warn_percent,
    o.currency, case when b.period <> 'NONE' then d.starts_on end as starts_on,
    case b.period when 'MONTH' then d.starts_on + interval '1 month'
        when 'QUARTER' then d.starts_on + interval '3 months'
        when 'YEAR' then d.starts_on + interval '1 year' end::date as ends_on,
    coalesce(p.spent, 0) as spent, coalesce(p.reserved, 0) as reserved, p.warned_at"""


def read_row(row: Any) -> Budget:
    """Build a budget from a row with COLUMNS."""
    return Budget(
        row["id"],
        BudgetTarget(
            row["organization_id"],
            Scope(row["scope"]),
            row["group_id"],
            row["user_id"],
            Period(row["period"]),
        ),
        row["amount"],
        row["warn_percent"],
        row["currency"],
        row["starts_on"],
        row["ends_on"],
        row["spent"],
        row["reserved"],
        warned=row["warned_at"] is not None,
    )


GET = f"select {COLUMNS} {PRESENT} where b.id = $1 and b.ended_at is null"
LIST = f"""
select {COLUMNS} {PRESENT}
where b.organization_id = $1 and b.ended_at is null
    and ($2::uuid is null or b.scope = 'ORGANIZATION' or b.user_id = $2 or b.group_id = any($3::uuid[]))
order by array_position(array['ORGANIZATION', 'GROUP', 'MEMBER'], b.scope), b.created_at, b.id
"""


async def get(connection: Connection, budget_id: UUID) -> Budget | None:
    """Return a budget that applies, with its present period."""
    row = await connection.fetchrow(GET, budget_id)
    return read_row(row) if row else None


async def list_all(connection: Connection, organization_id: UUID) -> list[Budget]:
    """Return all budgets of an organization: its own first, then those of groups and members."""
    return [read_row(row) for row in await connection.fetch(LIST, organization_id, None, [])]


async def list_applying(
    connection: Connection, organization_id: UUID, user_id: UUID, groups: list[UUID]
) -> list[Budget]:
    """Return the budgets that may apply to purchases of a member for one of these groups."""
    rows = await connection.fetch(LIST, organization_id, user_id, groups)
    return [read_row(row) for row in rows]


ADD = """
insert into orders.budgets
    (organization_id, scope, group_id, user_id, period, amount, warn_percent, created_by, updated_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
on conflict (
    organization_id, scope, (coalesce(group_id, user_id, '00000000-0000-0000-0000-000000000000')), period
) where ended_at is null do nothing
returning id
"""
# Waits for purchases that rely on the amount, and makes others wait.
LOCK = """
select b.id from orders.budgets b
where b.organization_id = $1 and b.scope = $2 and b.group_id is not distinct from $3
    and b.user_id is not distinct from $4 and b.period = $5 and b.ended_at is null
for update
"""
CHANGE = """
update orders.budgets set amount = $2, warn_percent = $3, updated_by = $4, updated_at = now() where id = $1
"""
# If less than the warning share is used after a change, another warning may follow.
WARN_AGAIN = """
update orders.budget_periods p set warned_at = null
from orders.budgets b
where b.id = $1 and p.budget_id = b.id and p.warned_at is not null
    and (
        b.amount is null or b.warn_percent is null
        or (p.spent + p.reserved) * 100 < b.amount * b.warn_percent
    )
"""


async def add(
    connection: Connection, target: BudgetTarget, limit: Limit, actor: str
) -> UUID | None:
    """Record a new budget; None if there is one for the same purchases and period."""
    found = await connection.fetchval(ADD, *_of(target), limit.amount, limit.warn_percent, actor)
    return UUID(str(found)) if found else None


COUNT = "select count(*) from orders.budgets where organization_id = $1 and ended_at is null"


async def count(connection: Connection, organization_id: UUID) -> int:
    """Return how many budgets of an organization apply."""
    return int(await connection.fetchval(COUNT, organization_id))


async def lock(connection: Connection, target: BudgetTarget) -> UUID | None:
    """Lock a budget until the transaction ends, and return its id; nothing is taken from it meanwhile."""
    found = await connection.fetchval(LOCK, *_of(target))
    return UUID(str(found)) if found else None


async def change(connection: Connection, budget_id: UUID, limit: Limit, actor: str) -> None:
    """Change a budget that is locked."""
    await connection.execute(CHANGE, budget_id, limit.amount, limit.warn_percent, actor)
    await connection.execute(WARN_AGAIN, budget_id)


def _of(target: BudgetTarget) -> tuple[Any, ...]:
    return (
        target.organization_id,
        target.scope,
        target.group_id,
        target.user_id,
        target.period,
    )


END = """
update orders.budgets set ended_at = now(), updated_at = now(), updated_by = $2
where id = $1 and ended_at is null returning id
"""


async def end(connection: Connection, budget_id: UUID, actor: str) -> bool:
    """End a budget: it applies to no purchase any more. False if it has ended already."""
    return await connection.fetchval(END, budget_id, actor) is not None
