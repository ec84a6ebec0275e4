"""SQL of featured plans: an administrator's choice, else the cheapest plan of each region."""

from collections.abc import Sequence
from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind
from services.catalogue.plan import Plan
from services.catalogue.price_lists import Source
from services.catalogue.store import plans_by_ids, to_plan

CHOSEN = """
select {columns}
from catalogue.featured_plans chosen
join {plans} plan on plan.id = chosen.plan_id
where {listed} and plan.offered
order by chosen.position
limit $1
"""
# The same rule as `cheapest_by_region` in search.py.
BY_RULE = """
select {columns}
from (
    select distinct on (region) id as best_id, count(*) over (partition by region) as plan_count
    from {plans}
    where {listed} and offered
    order by region, price_per_day, name
) as best
join {plans} plan on plan.id = best.best_id
where {listed}
order by plan_count desc, region collate "C"
limit $1
"""


async def featured(connection: Connection, source: Source, limit: int) -> list[Plan]:
    """Return up to `limit` chosen plans; by the rule, if no chosen plan is on sale."""
    rows = await source.fetch(connection, CHOSEN, limit)
    rows = rows or await source.fetch(connection, BY_RULE, limit)
    return [to_plan(row) for row in rows]


# Two administrators at once would each delete the other's rows and then collide.
LOCK = "select pg_advisory_xact_lock(hashtext('catalogue.featured_plans'))"
CLEAR = "delete from catalogue.featured_plans"
CHOOSE = """
insert into catalogue.featured_plans (plan_id, position)
select plan_id, position from unnest($1::uuid[]) with ordinality as given (plan_id, position)
"""


async def choose_featured(
    connection: Connection, source: Source, ids: Sequence[UUID]
) -> list[Plan]:
    """Replace the choice and return its plans; without ids, the rule applies again.

    Raises Failure NOT_FOUND (PLAN_NOT_FOUND), which names the unknown ids.
    """
    plans = {plan.id: plan for plan in await plans_by_ids(connection, source, ids)}
    if unknown := [str(plan) for plan in ids if plan not in plans]:
        raise Failure(
            Kind.NOT_FOUND,
            "PLAN_NOT_FOUND",
            f"No plans have these ids, so nothing was changed; correct them: {', '.join(unknown)}",
        )
    await connection.execute(LOCK)
    await connection.execute(CLEAR)
    await connection.execute(CHOOSE, ids)
    return [plans[plan] for plan in ids]
