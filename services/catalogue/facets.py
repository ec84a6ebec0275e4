"""For a shop's filter bar: how many plans each further choice would give."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from kit.db.database import Connection
from services.catalogue import filter_sql
from services.catalogue.plan import PlanFilter


@dataclass(frozen=True, slots=True)
class Tally:
    """The plans on sale of one filter, counted by what else they could be filtered by.

    `countries` and `regions` are by key: what a filter finds them by. A country has several.
    """

    total: int
    lowest_price: Decimal | None
    highest_price: Decimal | None
    currency: str | None
    countries: Mapping[str, int]
    regions: Mapping[str, int]
    durations: Mapping[str, int]
    unlimited: Mapping[str, int]
    groups: Mapping[str, int]


# Found once and counted six times; materialized, as the conditions would else be looked at each time.
TALLY = """
with found as materialized (
    select country_keys, region_keys, groups, duration_days, unlimited, price, currency
    from catalogue.data_plans
    where {}
)
select 'total' as facet, '' as value, count(*) as plans, min(price) as lowest,
       max(price) as highest, min(currency) as currency
from found
union all
select 'country', value, count(*), null, null, null
from found, unnest(country_keys) as value group by value
union all
select 'region', value, count(*), null, null, null
from found, unnest(region_keys) as value group by value
union all
select 'duration', duration_days::text, count(*), null, null, null
from found group by duration_days
union all
select 'unlimited', unlimited::text, count(*), null, null, null
from found group by unlimited
union all
select 'group', value, count(*), null, null, null
from found, lateral (select distinct unnest(groups)) as named (value) group by value
"""


async def tally(connection: Connection, wanted: PlanFilter) -> Tally:
    """Counts in one statement; what it takes grows with the plans that match."""
    where = filter_sql.where(wanted)
    rows = await connection.fetch(TALLY.format(where.sql), *where.values)
    counted: dict[str, dict[str, int]] = {
        facet: {} for facet in ("country", "region", "duration", "unlimited", "group")
    }
    [whole] = [row for row in rows if row["facet"] == "total"]
    for row in rows:
        if row is not whole:
            counted[row["facet"]][row["value"]] = row["plans"]
    return Tally(
        whole["plans"],
        whole["lowest"],
        whole["highest"],
        whole["currency"],
        countries=counted["country"],
        regions=counted["region"],
        durations=counted["duration"],
        unlimited=counted["unlimited"],
        groups=counted["group"],
    )


@dataclass(frozen=True, slots=True)
class Facets:
    """What is shown for each facet: the tally of a filter without the condition of the facet itself."""

    whole: Tally
    countries: Tally
    regions: Tally
    durations: Tally
    prices: Tally
    unlimited: Tally
    groups: Tally


def filters(wanted: PlanFilter) -> list[PlanFilter]:
    """The filters whose tallies `Facets` takes, in its order; equal ones where nothing is chosen."""
    return [
        wanted,
        replace(wanted, country=None, countries=()),
        replace(wanted, region=None),
        replace(wanted, duration_days=None, min_days=None, max_days=None),
        replace(wanted, min_price=None, max_price=None),
        replace(wanted, unlimited=None),
        replace(wanted, bundle_group=None),
    ]
