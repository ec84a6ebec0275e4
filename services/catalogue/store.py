"""The plans in PostgreSQL: writing a whole catalogue, reading plans, and what an administrator sets."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db import Connection
from services.catalogue.plan import (
    Allowance,
    Bundle,
    Country,
    Plan,
    country_keys,
    plan_id,
    region_keys,
    search_text,
)

# Rows of one statement: some 1 MB of JSON, built without holding the process up for long.
BATCH = 1000

COLUMNS = """
    id, name, description, groups, countries, duration_days, price, currency, data_mb, unlimited,
    speeds, autostart, profile_name, allowances, withdrawn, hidden, updated_at
"""


@dataclass(frozen=True, slots=True)
class Change:
    """How many plans a write added and changed."""

    added: int
    changed: int


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region with the plans on sale that cover some of it."""

    name: str
    plan_count: int
    lowest_price: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class CountryRow:
    """A country with the plans on sale that cover it."""

    country: Country
    plan_count: int
    lowest_price: Decimal
    currency: str


UPSERT = """
insert into catalogue.data_plans as kept (
    id, name, description, region, groups, countries, duration_days, price, currency, data_mb,
    unlimited, speeds, autostart, profile_name, allowances, region_keys, country_keys, search_text
)
select
    id, name, description, region, groups, countries, duration_days, price, $2, data_mb,
    unlimited, speeds, autostart, profile_name, allowances, region_keys, country_keys, search_text
from jsonb_to_recordset($1::text::jsonb) as given (
    id uuid, name text, description text, region text, groups text[], countries jsonb,
    duration_days integer, price numeric, data_mb bigint, unlimited boolean, speeds text[],
    autostart boolean, profile_name text, allowances jsonb, region_keys text[],
    country_keys text[], search_text text
)
on conflict (id) do update set
    description = excluded.description, region = excluded.region, groups = excluded.groups,
    countries = excluded.countries, duration_days = excluded.duration_days,
    price = excluded.price, currency = excluded.currency, data_mb = excluded.data_mb,
    unlimited = excluded.unlimited, speeds = excluded.speeds, autostart = excluded.autostart,
    profile_name = excluded.profile_name, allowances = excluded.allowances,
    region_keys = excluded.region_keys, country_keys = excluded.country_keys,
    search_text = excluded.search_text, withdrawn = false, updated_at = now()
where (
    kept.description, kept.region, kept.groups, kept.countries, kept.duration_days, kept.price,
    kept.currency, kept.data_mb, kept.unlimited, kept.speeds, kept.autostart, kept.profile_name,
    kept.allowances, kept.region_keys, kept.country_keys, kept.search_text, kept.withdrawn
) is distinct from (
    excluded.description, excluded.region, excluded.groups, excluded.countries,
    excluded.duration_days, excluded.price, excluded.currency, excluded.data_mb,
    excluded.unlimited, excluded.speeds, excluded.autostart, excluded.profile_name,
    excluded.allowances, excluded.region_keys, excluded.country_keys, excluded.search_text, false
)
returning created_at = updated_at as added
"""


async def upsert(connection: Connection, bundles: Sequence[Bundle], currency: str) -> Change:
    """Writes the bundles that are new, changed, or on sale again; leaves the others untouched."""
    added = changed = 0
    for start in range(0, len(bundles), BATCH):
        batch = [_row(bundle) for bundle in bundles[start : start + BATCH]]
        for row in await connection.fetch(UPSERT, json.dumps(batch), currency):
            added += row["added"]
            changed += not row["added"]
    return Change(added, changed)


COUNT_ON_SALE = "select count(*) from catalogue.data_plans where not withdrawn"


async def count_on_sale(connection: Connection) -> int:
    """How many plans the provider offered when it was last read; hidden ones included."""
    count: int = await connection.fetchval(COUNT_ON_SALE)
    return count


WITHDRAW = """
update catalogue.data_plans kept set withdrawn = true, updated_at = now()
where not withdrawn
  and not exists (select from unnest($1::uuid[]) as given (id) where given.id = kept.id)
"""


async def withdraw_others(connection: Connection, bundles: Iterable[Bundle]) -> int:
    """Marks every plan withdrawn that is not among the bundles, and tells how many."""
    status = await connection.execute(WITHDRAW, [plan_id(bundle.name) for bundle in bundles])
    return int(status.rpartition(" ")[2])


BY_IDS = f"select {COLUMNS} from catalogue.data_plans where id = any($1::uuid[])"  # noqa: S608 - constants


async def plans_by_ids(connection: Connection, ids: Sequence[UUID]) -> list[Plan]:
    """Those that exist, withdrawn and hidden ones included."""
    return [to_plan(row) for row in await connection.fetch(BY_IDS, ids)]


BY_NAME = f"select {COLUMNS} from catalogue.data_plans where name = $1"  # noqa: S608 - constants


async def plan_by_name(connection: Connection, name: str) -> Plan | None:
    """By the provider's bundle name."""
    row = await connection.fetchrow(BY_NAME, name)
    return None if row is None else to_plan(row)


SET_HIDDEN = """
update catalogue.data_plans
set hidden = $2, updated_at = case when hidden = $2 then updated_at else now() end
where id = $1
"""


async def set_hidden(connection: Connection, plan: UUID, *, hidden: bool) -> bool:
    """False when there is no such plan for this session to change."""
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
    """Regions that a list of plans on sale can be filtered by, "Global" included."""
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
    """Countries that plans on sale cover."""
    return [
        CountryRow(
            Country(row["name"], row["iso"], row["region"]),
            row["plan_count"],
            row["lowest_price"],
            row["currency"],
        )
        for row in await connection.fetch(COUNTRIES)
    ]


FOR_STOCK = """
select id, updated_at, name, price, currency, duration_days, data_rank, unlimited, groups,
       region_keys, country_keys, search_text
from catalogue.data_plans
where offered and name > $1
order by name limit $2
"""


async def plans_for_stock(connection: Connection, after: str, most: int) -> list[Any]:
    """Rows of what is on sale, by name, after a name; all that lists need to know of them."""
    return list(await connection.fetch(FOR_STOCK, after, most))


REVISION = "select number from catalogue.revision"


async def revision(connection: Connection) -> int:
    """Grows with every change of plans or of the featured ones; equal numbers mean equal plans."""
    number: int = await connection.fetchval(REVISION)
    return number


def to_plan(row: Any) -> Plan:
    """A row of COLUMNS as a value."""
    return Plan(
        id=row["id"],
        bundle=Bundle(
            name=row["name"],
            description=row["description"],
            groups=tuple(row["groups"]),
            countries=tuple(Country(**country) for country in row["countries"]),
            duration_days=row["duration_days"],
            price=row["price"],
            data_mb=row["data_mb"],
            unlimited=row["unlimited"],
            speeds=tuple(row["speeds"]),
            autostart=row["autostart"],
            profile_name=row["profile_name"],
            allowances=tuple(Allowance(**allowance) for allowance in row["allowances"]),
        ),
        currency=row["currency"],
        withdrawn=row["withdrawn"],
        hidden=row["hidden"],
        updated_at=row["updated_at"],
    )


def _row(bundle: Bundle) -> dict[str, Any]:
    """A bundle as UPSERT takes it."""
    return {
        "id": str(plan_id(bundle.name)),
        "name": bundle.name,
        "description": bundle.description,
        "region": bundle.region,
        "groups": bundle.groups,
        "countries": [asdict(country) for country in bundle.countries],
        "duration_days": bundle.duration_days,
        "price": str(bundle.price),  # as text, so that no float comes in between
        "data_mb": bundle.data_mb,
        "unlimited": bundle.unlimited,
        "speeds": bundle.speeds,
        "autostart": bundle.autostart,
        "profile_name": bundle.profile_name,
        "allowances": [asdict(allowance) for allowance in bundle.allowances],
        "region_keys": region_keys(bundle),
        "country_keys": country_keys(bundle),
        "search_text": search_text(bundle),
    }
