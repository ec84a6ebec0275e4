"""Writes the provider's catalogue to PostgreSQL; one refused row stops no other."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kit.db.database import ROW_REFUSED, Connection, savepoint
from services.catalogue.plan import Bundle, country_keys, plan_id, region_keys, search_text
from services.catalogue.provider_records import Records, Unusable
from services.catalogue.store import BUNDLE_COLUMNS

# Rows of one statement: some 1 MB of JSON.
BATCH = 1000

# If the database refuses more rows than this, the fault is not in the rows.
MAX_REFUSED = 100


@dataclass(slots=True)
class Change:
    """Result of a write: how many plans it added, changed, withdrew and withheld.

    `unusable` are the records that could not be used, those that the database refused among them.
    """

    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    withheld: int = 0
    unusable: list[Unusable] = field(default_factory=list)


async def write(connection: Connection, records: Records, currency: str) -> Change:
    """Write the usable bundles, and withdraw plans that are gone or have no trustworthy price.

    A plan whose record is unusable stays unchanged if that record has its price. While a record has no
    readable name, no plan is withdrawn for being absent, as the record may be its own.
    """
    change = Change(unusable=list(records.unusable))
    for start in range(0, len(records.bundles), BATCH):
        await _upsert(connection, records.bundles[start : start + BATCH], currency, change)
    named = [record for record in change.unusable if record.name]
    ids = [plan_id(record.name) for record in named]
    prices = [record.price for record in named]
    change.withheld = _rows(await connection.execute(WITHHOLD, ids, prices, currency))
    if records.complete:
        ids += [plan_id(bundle.name) for bundle in records.bundles]
        change.withdrawn = _rows(await connection.execute(WITHDRAW, ids))
    return change


# What UPSERT writes besides the currency, with the types of the columns.
GIVEN = {
    "id": "uuid",
    **BUNDLE_COLUMNS,
    "region": "text",
    "region_keys": "text[]",
    "country_keys": "text[]",
    "search_text": "text",
}
# The id is derived from the name, so neither ever changes.
CHANGING = (*(column for column in GIVEN if column not in ("id", "name")), "currency")

UPSERT = f"""
insert into catalogue.data_plans as kept ({", ".join(GIVEN)}, currency)
select {", ".join(GIVEN)}, $2
from jsonb_to_recordset($1::text::jsonb) as given
    ({", ".join(f"{column} {kind}" for column, kind in GIVEN.items())})
on conflict (id) do update set
    {", ".join(f"{column} = excluded.{column}" for column in CHANGING)},
    withdrawn = false, updated_at = now()
where ({", ".join(f"kept.{column}" for column in CHANGING)}, kept.withdrawn)
    is distinct from ({", ".join(f"excluded.{column}" for column in CHANGING)}, false)
returning created_at = updated_at as added
"""  # noqa: S608 - constants


async def _upsert(
    connection: Connection, bundles: Sequence[Bundle], currency: str, change: Change
) -> None:
    """Write bundles that are new, changed, or on sale again; others stay untouched.

    If the database refuses a batch, its halves are written separately, down to the refused rows.
    """
    rows = json.dumps([_row(bundle) for bundle in bundles])
    try:
        async with savepoint(connection):
            written = await connection.fetch(UPSERT, rows, currency)
    except ROW_REFUSED as error:
        refused = sum(record.refused for record in change.unusable)
        if refused >= MAX_REFUSED:
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


async def count_on_sale(connection: Connection) -> int:
    """Return how many plans the provider offers, hidden ones included."""
    count: int = await connection.fetchval(
        "select count(*) from catalogue.data_plans where not withdrawn"
    )
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
    """Return the number of rows in a command's status, such as "UPDATE 3"."""
    return int(str(status).rpartition(" ")[2])


def _row(bundle: Bundle) -> dict[str, Any]:
    return asdict(bundle) | {
        "id": str(plan_id(bundle.name)),
        "price": str(bundle.price),  # as text, to stay exact
        "region": bundle.region,
        "region_keys": region_keys(bundle),
        "country_keys": country_keys(bundle),
        "search_text": search_text(bundle),
    }
