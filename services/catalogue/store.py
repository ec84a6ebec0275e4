"""SQL of plans: reading them, and what an administrator sets."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.catalogue.paging import PlanVersion
from services.catalogue.plan import Allowance, Bundle, Country, Plan
from services.catalogue.price_lists import Revision, Source, parsed

# The columns that store a Bundle, named as its fields, with their types.
BUNDLE_COLUMNS = {
    "name": "text",
    "description": "text",
    "groups": "text[]",
    "countries": "jsonb",
    "duration_days": "integer",
    "price": "numeric",
    "data_mb": "bigint",
    "unlimited": "boolean",
    "speeds": "text[]",
    "autostart": "boolean",
    "profile_name": "text",
    "allowances": "jsonb",
}


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region, with the count and lowest price of the plans on sale there."""

    name: str
    plan_count: int
    lowest_price: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class CountryRow:
    """A country, with the count and lowest price of the plans on sale that cover it."""

    country: Country
    plan_count: int
    lowest_price: Decimal
    currency: str


BY_IDS = "select {columns} from {plans} where {listed} and id = any($1::uuid[])"


async def plans_by_ids(connection: Connection, source: Source, ids: Sequence[UUID]) -> list[Plan]:
    """Return the plans that exist, including withdrawn and hidden ones."""
    return [to_plan(row) for row in await source.fetch(connection, BY_IDS, ids)]


# Each row also has the price lists, as text like in REVISION. Without a row, the lists are not known.
FIND_VERSIONS = """
select id, {version}, (select lists::text from catalogue.revision) as lists
from {plans} where {listed} and (id = any($1::uuid[]) or name = any($2::text[]))
"""


async def find_versions(
    connection: Connection, source: Source, ids: Sequence[UUID], names: Sequence[str]
) -> tuple[str, list[PlanVersion]]:
    """Return the plans that exist by ids or names, and the price lists at that moment as JSON.

    The lists are empty if no plan was found.
    """
    rows = await source.fetch(connection, FIND_VERSIONS, ids, names)
    found = [(row["id"], version(row)) for row in rows]
    return (rows[0]["lists"] if rows else ""), found


SET_HIDDEN = """
update catalogue.data_plans
set hidden = $2, updated_at = case when hidden = $2 then updated_at else now() end
where id = $1
"""


async def set_hidden(connection: Connection, plan: UUID, *, hidden: bool) -> bool:
    """Hide or show a plan; False if there is no such plan for this session to change."""
    return str(await connection.execute(SET_HIDDEN, plan, hidden)) == "UPDATE 1"


REGIONS = """
select place.region, count(distinct plan.id) as plan_count, min(plan.price) as lowest_price,
       min(plan.currency) as currency
from {plans} plan,
     lateral (
         select plan.region
         union
         select country ->> 'region' from jsonb_array_elements(plan.countries) as country
     ) as place
where {listed} and plan.offered and place.region <> ''
group by place.region
order by place.region collate "C"
"""


async def regions(connection: Connection, source: Source) -> list[RegionRow]:
    """Return the regions that a list of plans on sale can be filtered by, "Global" included."""
    return [
        RegionRow(row["region"], row["plan_count"], row["lowest_price"], row["currency"])
        for row in await source.fetch(connection, REGIONS)
    ]


# The provider may list a country with different names or regions: most of its plans decide.
COUNTRIES = """
select * from (
    select mode() within group (order by country ->> 'name') as name, country ->> 'iso' as iso,
        coalesce(mode() within group (order by nullif(country ->> 'region', '')), '') as region,
        count(*) as plan_count, min(plan.price) as lowest_price, min(plan.currency) as currency
    from {plans} plan, jsonb_array_elements(plan.countries) as country
    where {listed} and plan.offered
    group by country ->> 'iso'
) found
order by name collate "C", iso collate "C"
"""


async def countries(connection: Connection, source: Source) -> list[CountryRow]:
    return [
        CountryRow(
            Country(row["name"], row["iso"], row["region"]),
            row["plan_count"],
            row["lowest_price"],
            row["currency"],
        )
        for row in await source.fetch(connection, COUNTRIES)
    ]


FOR_SNAPSHOT = """
select id, {version}, name, price, currency, duration_days, data_rank, unlimited, groups, region_keys,
       country_keys, search_text, profile_name,
       jsonb_array_length(countries) = 1 as single_country
from {plans}
where {listed} and offered and name > $1
order by name limit $2
"""


async def plans_for_snapshot(
    connection: Connection, source: Source, after: str, limit: int
) -> Sequence[Any]:
    """Return rows of plans on sale after a name, in the order of names, with the columns of a snapshot."""
    return await source.fetch(connection, FOR_SNAPSHOT, after, limit)


# The lists as text, so that they are parsed only when they change.
REVISION = "select number, rule_version, lists::text as lists from catalogue.revision"


async def revision(connection: Connection) -> Revision:
    """Return the revision of the catalogue now, with its price lists."""
    row = await connection.fetchrow(REVISION)
    assert row is not None  # the only row, which is never deleted
    return Revision(row["number"], row["rule_version"], parsed(row["lists"]))


def version(row: Any) -> Hashable:
    """Return what changes with every change of a row's plan or of its price."""
    found = row["version"]
    return tuple(found) if isinstance(found, list) else found


def to_plan(row: Any) -> Plan:
    """Build a plan from a row with the columns of a plan."""
    values = dict(row) | {"version": version(row)}
    bundle = {name: values.pop(name) for name in BUNDLE_COLUMNS} | {
        "groups": tuple(row["groups"]),
        "countries": tuple(Country(**country) for country in row["countries"]),
        "speeds": tuple(row["speeds"]),
        "allowances": tuple(Allowance(**allowance) for allowance in row["allowances"]),
    }
    return Plan(bundle=Bundle(**bundle), **values)
