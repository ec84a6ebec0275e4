"""Plans that surely fit an eSIM: those of the profile of the plan that it came with."""

from kit.db.database import Connection
from kit.values.plain_text import fold
from services.catalogue.paging import PlanVersion
from services.catalogue.plan import Plan
from services.catalogue.price_lists import Source
from services.catalogue.snapshot.snapshot import Snapshot
from services.catalogue.store import version

NEAREST = """
select id, {version} from {plans}
where {listed} and offered and profile_name = $1
order by country_keys @> $2::text[] desc, price, name
limit $3
"""


async def top_ups(
    connection: Connection, source: Source, plan: Plan, snapshot: Snapshot | None, limit: int
) -> list[PlanVersion]:
    """Return the plans on sale for an eSIM that came with `plan`.

    Those that cover all of its countries come first, and the cheapest first within that. Without a
    profile only the plan itself is sure to fit.
    """
    profile = plan.bundle.profile_name
    if not profile:
        return [(plan.id, plan.version)] if plan.available_quantity else []
    keys = [fold(country.iso) for country in plan.bundle.countries]
    if snapshot is not None:
        return snapshot.top_ups(profile, keys, limit)
    rows = await source.fetch(connection, NEAREST, profile, keys, limit)
    return [(row["id"], version(row)) for row in rows]
