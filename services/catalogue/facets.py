"""Facets of a shop's filter bar: how many plans each further choice would leave."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from kit.db.database import Connection
from services.catalogue import filter_sql
from services.catalogue.plan import PlanFilter
from services.catalogue.price_lists import Source


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of plans on sale that match a filter, by the values of every other filter.

    `countries` and `regions` are counted by filter key; a country has several keys.
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


# Materialized, so that the filter is evaluated once, not once per facet.
TALLY = """
with found as materialized (
    select country_keys, region_keys, groups, duration_days, unlimited, price, currency
    from {{plans}}
    where {{listed}} and {}
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


async def tally(connection: Connection, source: Source, criteria: PlanFilter) -> Tally:
    """Count in one statement, whose duration grows with the number of plans that match."""
    where = filter_sql.where(criteria)
    rows = await source.fetch(connection, TALLY.format(where.sql), *where.values)
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
    """The tally shown for each facet: that of the filter without the facet's own condition."""

    whole: Tally
    countries: Tally
    regions: Tally
    durations: Tally
    prices: Tally
    unlimited: Tally
    groups: Tally


def filters(criteria: PlanFilter) -> list[PlanFilter]:
    """Return the filters whose tallies are the fields of `Facets`, in their order."""
    return [
        criteria,
        replace(criteria, country=None, countries=()),
        replace(criteria, region=None),
        replace(criteria, duration_days=None, min_days=None, max_days=None),
        replace(criteria, min_price=None, max_price=None),
        replace(criteria, unlimited=None),
        replace(criteria, bundle_group=None),
    ]
