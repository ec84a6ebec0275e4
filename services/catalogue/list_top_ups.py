"""Plans that surely fit an eSIM: those of the profile of the plan that it came with."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.catalogue.plan import Plan, fold
from services.catalogue.snapshot.snapshot import Snapshot

NEAREST = """
select id, updated_at from catalogue.data_plans
where offered and profile_name = $1
order by country_keys @> $2::text[] desc, price, name
limit $3
"""


async def top_ups(
    connection: Connection, plan: Plan, snapshot: Snapshot | None, limit: int
) -> list[tuple[UUID, datetime]]:
    """Return the plans on sale for an eSIM that came with `plan`, each with when it last changed.

    Those that cover all of its countries come first, and the cheapest first within that. Without a
    profile only the plan itself is sure to fit.
    """
    profile = plan.bundle.profile_name
    if not profile:
        return [(plan.id, plan.updated_at)] if plan.available_quantity else []
    keys = [fold(country.iso) for country in plan.bundle.countries]
    if snapshot is not None:
        return snapshot.top_ups(profile, keys, limit)
    rows: Sequence[Any] = await connection.fetch(NEAREST, profile, keys, limit)
    return [(row["id"], row["updated_at"]) for row in rows]
