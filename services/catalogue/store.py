"""SQL of plans: reading them, and what an administrator sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.catalogue.plan import Allowance, Bundle, Country, Plan

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
COLUMNS = ", ".join(("id", *BUNDLE_COLUMNS, "currency", "withdrawn", "hidden", "updated_at"))


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


BY_IDS = f"select {COLUMNS} from catalogue.data_plans where id = any($1::uuid[])"  # noqa: S608 - constants


async def plans_by_ids(connection: Connection, ids: Sequence[UUID]) -> list[Plan]:
    """Return those that exist, withdrawn and hidden ones included."""
    return [to_plan(row) for row in await connection.fetch(BY_IDS, ids)]


BY_NAMES = f"select {COLUMNS} from catalogue.data_plans where name = any($1::text[])"  # noqa: S608 - constants


async def plans_by_names(connection: Connection, names: Sequence[str]) -> list[Plan]:
    """Return those that exist by the provider's bundle names, withdrawn and hidden ones included."""
    return [to_plan(row) for row in await connection.fetch(BY_NAMES, names)]


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
from catalogue.data_plans plan,
     lateral (
         select plan.region
         union
         select country ->> 'region' from jsonb_array_elements(plan.countries) as country
     ) as place
where plan.offered and place.region <> ''
group by place.region
order by place.region collate "C"
"""


async def regions(connection: Connection) -> list[RegionRow]:
    """Return the regions that a list of plans on sale can be filtered by, "Global" included."""
    return [
        RegionRow(row["region"], row["plan_count"], row["lowest_price"], row["currency"])
        for row in await connection.fetch(REGIONS)
    ]


COUNTRIES = """
select country ->> 'name' as name, country ->> 'iso' as iso, country ->> 'region' as region,
       count(*) as plan_count, min(plan.price) as lowest_price, min(plan.currency) as currency
from catalogue.data_plans plan, jsonb_array_elements(plan.countries) as country
where plan.offered
group by 1, 2, 3
order by (country ->> 'name') collate "C", (country ->> 'iso') collate "C"
"""


async def countries(connection: Connection) -> list[CountryRow]:
    return [
        CountryRow(
            Country(row["name"], row["iso"], row["region"]),
            row["plan_count"],
            row["lowest_price"],
            row["currency"],
        )
        for row in await connection.fetch(COUNTRIES)
    ]


FOR_SNAPSHOT = """
select id, updated_at, name, price, currency, duration_days, data_rank, unlimited, groups,
       region_keys, country_keys, search_text, profile_name,
       jsonb_array_length(countries) = 1 as single_country
from catalogue.data_plans
where offered and name > $1
order by name limit $2
"""


async def plans_for_snapshot(connection: Connection, after: str, limit: int) -> list[Any]:
    """Return rows of plans on sale after a name, in the order of names, with the columns of a snapshot."""
    return list(await connection.fetch(FOR_SNAPSHOT, after, limit))


REVISION = "select number from catalogue.revision"


async def revision(connection: Connection) -> int:
    """Return a number that grows with every change of plans or of the featured ones."""
    number: int = await connection.fetchval(REVISION)
    return number


def to_plan(row: Any) -> Plan:
    """Build a plan from a row with COLUMNS."""
    values = dict(row)
    bundle = {name: values.pop(name) for name in BUNDLE_COLUMNS} | {
        "groups": tuple(row["groups"]),
        "countries": tuple(Country(**country) for country in row["countries"]),
        "speeds": tuple(row["speeds"]),
        "allowances": tuple(Allowance(**allowance) for allowance in row["allowances"]),
    }
    return Plan(bundle=Bundle(**bundle), **values)
