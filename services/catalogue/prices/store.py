"""SQL of the prices of plans: what they are computed from, the current ones, and their history."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from kit.db.database import Connection
from services.catalogue.prices.matching import Countries, Facts

FIRST = UUID(int=0)


class PriceRow(NamedTuple):
    """A row of plan_prices, in the order of COLUMNS; `tax_rate` is a fraction.

    `valid_from` changes with the cost too, `shown_at` only with what customers see.
    """

    price_list: str
    plan_id: UUID
    currency: str
    retail: Decimal
    includes_tax: bool
    tax_rate: Decimal
    sellable: bool
    lifted: bool
    cost: Decimal
    cost_currency: str
    least_price: Decimal | None
    exchange_rate: Decimal
    exchange_rate_at: datetime | None
    rule: str
    rule_version: int
    valid_from: datetime
    shown_at: datetime


TYPES = {
    "price_list": "text",
    "plan_id": "uuid",
    "currency": "text",
    "retail": "numeric",
    "includes_tax": "boolean",
    "tax_rate": "numeric",
    "sellable": "boolean",
    "lifted": "boolean",
    "cost": "numeric",
    "cost_currency": "text",
    "least_price": "numeric",
    "exchange_rate": "numeric",
    "exchange_rate_at": "timestamptz",
    "rule": "text",
    "rule_version": "bigint",
    "valid_from": "timestamptz",
    "shown_at": "timestamptz",
}
COLUMNS = ", ".join(TYPES)

COST_CURRENCIES = """
select currency, bool_or(not withdrawn) as offered from catalogue.data_plans group by currency
"""


async def cost_currencies(connection: Connection) -> dict[str, bool]:
    """Return the currencies of costs, each with True if a plan that the provider offers has it."""
    rows = await connection.fetch(COST_CURRENCIES)
    return {row["currency"]: row["offered"] for row in rows}


class FactsReader:
    """Reads the facts that prices are computed from; plans with the same countries share one Countries."""

    def __init__(self) -> None:
        self._countries: dict[str, Countries] = {}

    async def after(self, connection: Connection, last: UUID, limit: int) -> list[Facts]:
        """Return at most `limit` plans whose ids come after `last`, in the order of ids."""
        return [self._facts(row) for row in await connection.fetch(FACTS_AFTER, last, limit)]

    async def of(self, connection: Connection, plan: UUID) -> Facts | None:
        row = await connection.fetchrow(FACTS_OF, plan)
        return None if row is None else self._facts(row)

    def _facts(self, row: Any) -> Facts:
        text = row["countries"]
        countries = self._countries.get(text)
        if countries is None:
            names = tuple((country["iso"], country["name"]) for country in json.loads(text))
            countries = self._countries[text] = Countries(names)
        return Facts(
            id=row["id"],
            name=row["name"],
            cost=row["price"],
            currency=row["currency"],
            region=row["region"],
            groups=tuple(row["groups"]),
            countries=countries,
            days=row["duration_days"],
            data_mb=row["data_mb"],
            unlimited=row["unlimited"],
            on_sale=row["offered"],
        )


FACTS = """
select id, name, price, currency, region, groups, countries::text as countries, duration_days,
       data_mb, unlimited, offered
from catalogue.data_plans
"""
FACTS_AFTER = f"{FACTS} where id > $1 order by id limit $2"
FACTS_OF = f"{FACTS} where id = $1"

PRICES = f"""
select {COLUMNS} from catalogue.plan_prices where plan_id > $1 and plan_id <= $2
"""  # noqa: S608 - constants


async def prices_between(
    connection: Connection, after: UUID, last: UUID
) -> dict[tuple[str, UUID], PriceRow]:
    """Return the prices of the plans after an id up to another one, by price list and plan."""
    rows = [PriceRow(*row) for row in await connection.fetch(PRICES, after, last)]
    return {(row.price_list, row.plan_id): row for row in rows}


# The clock's time, because the transaction may have begun (now()) before another one that had the lock.
# Always later than the newest price.
NOW = """
select greatest(clock_timestamp(), max(valid_from) + interval '1 microsecond')
from catalogue.plan_prices
"""


async def now(connection: Connection) -> datetime:
    """Return the time at which the next prices become valid."""
    at: datetime = await connection.fetchval(NOW)
    return at


KEEP = f"""
insert into catalogue.plan_price_history ({COLUMNS}, valid_to)
select {COLUMNS}, $3
from catalogue.plan_prices
join unnest($1::text[], $2::uuid[]) as given (price_list, plan_id) using (price_list, plan_id)
"""  # noqa: S608 - constants
WRITE = f"""
insert into catalogue.plan_prices ({COLUMNS})
select * from unnest({", ".join(f"${i}::{kind}[]" for i, kind in enumerate(TYPES.values(), 1))})
on conflict (price_list, plan_id) do update set
    {", ".join(f"{column} = excluded.{column}" for column in TYPES)}
"""  # noqa: S608 - constants


async def write(
    connection: Connection, rows: Sequence[PriceRow], replaced: Sequence[PriceRow], at: datetime
) -> None:
    """Write prices, and add those that they replace to the history, as valid until `at`."""
    if replaced:
        lists, plans = [row.price_list for row in replaced], [row.plan_id for row in replaced]
        await connection.execute(KEEP, lists, plans, at)
    if rows:
        await connection.execute(WRITE, *map(list, zip(*rows, strict=True)))


DROP = f"""
with dropped as (
    delete from catalogue.plan_prices where price_list <> all($1::text[]) returning {COLUMNS}
)
insert into catalogue.plan_price_history ({COLUMNS}, valid_to)
select {COLUMNS}, $2 from dropped
"""  # noqa: S608 - constants
ANY_OTHER = """
select exists (select from catalogue.plan_prices where price_list <> all($1::text[]))
"""


async def drop_others(connection: Connection, lists: Sequence[str], at: datetime) -> int:
    """Move the prices of all lists but these to the history, and return their number."""
    if not await connection.fetchval(ANY_OTHER, lists):
        return 0
    status = await connection.execute(DROP, lists, at)
    return int(str(status).rpartition(" ")[2])


LISTING = f"""
select {", ".join(f"price.{column}" for column in TYPES)}, plan.name
from catalogue.plan_prices price
join catalogue.data_plans plan on plan.id = price.plan_id
where price.price_list = $1 and plan.name > $2
  and (not $3 or (plan.offered and not price.sellable))
order by plan.name
limit $4
"""  # noqa: S608 - constants


async def listing(
    connection: Connection, price_list: str, after: str, limit: int, *, only_unsellable: bool
) -> list[tuple[str, PriceRow]]:
    """Return names and prices of at most `limit` plans of a list whose names come after `after`.

    `only_unsellable`: only plans on offer that no allowed price makes sellable.
    """
    rows = await connection.fetch(LISTING, price_list, after, only_unsellable, limit)
    return [(name, PriceRow(*values)) for *values, name in rows]


OUTDATED = """
select exists (
    select from catalogue.plan_prices price
    join catalogue.data_plans plan on plan.id = price.plan_id
    where price.sellable and (price.cost, price.cost_currency) <> (plan.price, plan.currency)
)
"""


async def outdated(connection: Connection) -> bool:
    """Return whether a plan is sold at the price of an earlier cost.

    A process of a release without prices read the catalogue then, during an upgrade.
    """
    found: bool = await connection.fetchval(OUTDATED)
    return found


OF_PLAN = f"""
select {COLUMNS} from catalogue.plan_prices where plan_id = $1 and price_list = $2
"""  # noqa: S608 - constants


async def price_of_plan(connection: Connection, plan: UUID, price_list: str) -> PriceRow | None:
    row = await connection.fetchrow(OF_PLAN, plan, price_list)
    return None if row is None else PriceRow(*row)


QUOTED = f"""
select {", ".join(f"price.{column}" for column in TYPES)},
    (price.cost, price.cost_currency) <> (plan.price, plan.currency) as outdated
from catalogue.plan_prices price
join catalogue.data_plans plan on plan.id = price.plan_id
where price.price_list = $2 and price.plan_id = any($1::uuid[])
"""  # noqa: S608 - constants


async def quoted(
    connection: Connection, plans: Sequence[UUID], price_list: str
) -> dict[UUID, tuple[PriceRow, bool]]:
    """Return the prices of plans in a list, each with True if it was computed from another cost."""
    rows = await connection.fetch(QUOTED, plans, price_list)
    found = [(PriceRow(*values), outdated) for *values, outdated in rows]
    return {row.plan_id: (row, outdated) for row, outdated in found}


HISTORY = f"""
select {COLUMNS}, null::timestamptz as valid_to
from catalogue.plan_prices
where plan_id = $1 and currency = $2 and valid_from < $3
union all
select {COLUMNS}, valid_to
from catalogue.plan_price_history
where plan_id = $1 and currency = $2 and valid_from < $3
order by valid_from desc
limit $4
"""  # noqa: S608 - constants


async def history(
    connection: Connection, plan: UUID, currency: str, before: datetime, limit: int
) -> list[tuple[PriceRow, datetime | None]]:
    """Return the prices of a plan in a currency before a time, the newest first, each with its end."""
    rows = await connection.fetch(HISTORY, plan, currency, before, limit)
    return [(PriceRow(*values), valid_to) for *values, valid_to in rows]
