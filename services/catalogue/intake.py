"""Writing a reading of the provider's catalogue to PostgreSQL, where one refused row stops no other."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kit.db import ROW_REFUSED, Connection
from services.catalogue.plan import Bundle, country_keys, plan_id, region_keys, search_text
from services.catalogue.reading import Reading, Unusable

# Rows of one statement: some 1 MB of JSON, built without holding the process up for long.
BATCH = 1000

# Rows. When the database refuses more than this, something is wrong with it or with us, not with them.
MOST_REFUSED = 100


@dataclass(slots=True)
class Change:
    """What writing a reading did: how many plans it added, changed, withdrew and withheld.

    `unusable` are the records that could not be used, those that the database refused among them.
    """

    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    withheld: int = 0
    unusable: list[Unusable] = field(default_factory=list)


async def write(connection: Connection, reading: Reading, currency: str) -> Change:
    """Writes the usable bundles, and takes off sale what is gone or has no trustworthy price.

    A plan whose record can't be used stays as it was while that record names its price. While a
    record names no bundle, no plan is withdrawn for being absent: it may be that record's.
    """
    change = Change(unusable=list(reading.unusable))
    for start in range(0, len(reading.bundles), BATCH):
        await _upsert(connection, reading.bundles[start : start + BATCH], currency, change)
    named = [record for record in change.unusable if record.name]
    ids = [plan_id(record.name) for record in named]
    prices = [record.price for record in named]
    change.withheld = _rows(await connection.execute(WITHHOLD, ids, prices, currency))
    if reading.complete:
        ids += [plan_id(bundle.name) for bundle in reading.bundles]
        change.withdrawn = _rows(await connection.execute(WITHDRAW, ids))
    return change


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


async def _upsert(
    connection: Connection, bundles: Sequence[Bundle], currency: str, change: Change
) -> None:
    """Writes bundles that are new, changed, or on sale again; leaves the others untouched.

    When the database refuses a batch, each half is written on its own, down to the refused rows.
    """
    rows = json.dumps([_row(bundle) for bundle in bundles])
    try:
        async with connection.transaction():
            written = await connection.fetch(UPSERT, rows, currency)
    except ROW_REFUSED as error:
        refused = sum(record.refused for record in change.unusable)
        if refused >= MOST_REFUSED:
            raise
        if len(bundles) > 1:
            half = len(bundles) // 2
            await _upsert(connection, bundles[:half], currency, change)
            await _upsert(connection, bundles[half:], currency, change)
            return
        [bundle] = bundles
        text = f"bundle {bundle.name} was refused by the database ({type(error).__name__})"
        change.unusable.append(Unusable(bundle.name, text, bundle.price, refused=True))
        return
    change.added += sum(row["added"] for row in written)
    change.changed += sum(not row["added"] for row in written)


COUNT_ON_SALE = "select count(*) from catalogue.data_plans where not withdrawn"


async def count_on_sale(connection: Connection) -> int:
    """How many plans the provider offers; hidden ones included."""
    count: int = await connection.fetchval(COUNT_ON_SALE)
    return count


WITHHOLD = """
update catalogue.data_plans kept set withdrawn = true, updated_at = now()
from unnest($1::uuid[], $2::numeric[]) as given (id, price)
where kept.id = given.id and not kept.withdrawn
  and (kept.price, kept.currency) is distinct from (given.price, $3)
"""

WITHDRAW = """
update catalogue.data_plans kept set withdrawn = true, updated_at = now()
where not withdrawn
  and not exists (select from unnest($1::uuid[]) as given (id) where given.id = kept.id)
"""


def _rows(status: object) -> int:
    """The number of rows in a command's status, such as "UPDATE 3"."""
    return int(str(status).rpartition(" ")[2])


def _row(bundle: Bundle) -> dict[str, Any]:
    """Return a bundle as UPSERT takes it."""
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
