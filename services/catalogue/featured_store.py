"""SQL of featured plans: an administrator's choice, else the cheapest plan of each region."""

from collections.abc import Sequence
from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind
from services.catalogue.plan import Plan
from services.catalogue.store import COLUMNS, plans_by_ids, to_plan

CHOSEN = f"""
select {COLUMNS}
from catalogue.featured_plans chosen
join catalogue.data_plans plan on plan.id = chosen.plan_id
where plan.offered
order by chosen.position
limit $1
"""  # noqa: S608 - constants
# The same rule as `cheapest_by_region` in search.py.
BY_RULE = f"""
select {COLUMNS}
from (
    select distinct on (region) id as best_id, count(*) over (partition by region) as plan_count
    from catalogue.data_plans
    where offered
    order by region, price_per_day, name
) as best
join catalogue.data_plans plan on plan.id = best.best_id
order by plan_count desc, region collate "C"
limit $1
"""  # noqa: S608 - constants


async def featured(connection: Connection, limit: int) -> list[Plan]:
    """Return up to `limit` chosen plans; by the rule, if no chosen plan is on sale."""
    rows = await connection.fetch(CHOSEN, limit) or await connection.fetch(BY_RULE, limit)
    return [to_plan(row) for row in rows]


# Two administrators at once would each delete the other's rows and then collide.
LOCK = "select pg_advisory_xact_lock(hashtext('catalogue.featured_plans'))"
CLEAR = "delete from catalogue.featured_plans"
CHOOSE = """
insert into catalogue.featured_plans (plan_id, position)
select plan_id, position from unnest($1::uuid[]) with ordinality as given (plan_id, position)
"""


async def choose_featured(connection: Connection, ids: Sequence[UUID]) -> list[Plan]:
    """Replace the choice and return its plans; without ids, the rule applies again.

    Raises Failure NOT_FOUND (PLAN_NOT_FOUND), which names the unknown ids.
    """
    plans = {plan.id: plan for plan in await plans_by_ids(connection, ids)}
    if unknown := [str(plan) for plan in ids if plan not in plans]:
        raise Failure(Kind.NOT_FOUND, "PLAN_NOT_FOUND", f"No such plans: {', '.join(unknown)}")
    await connection.execute(LOCK)
    await connection.execute(CLEAR)
    await connection.execute(CHOOSE, ids)
    return [plans[plan] for plan in ids]
