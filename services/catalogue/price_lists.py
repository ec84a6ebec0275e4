"""Price lists, which requests choose by currency, and the relation that a list's plans are read from."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kit.db.database import Connection
from kit.errors import Failure, invalid

PARAMETER = re.compile(r"\$(\d+)")
# The columns of a plan that both relations have.
COLUMNS = (
    "id, name, description, groups, countries, duration_days, price, data_mb, unlimited, speeds,"
    " autostart, profile_name, allowances, currency, withdrawn, hidden, updated_at"
)


@dataclass(frozen=True, slots=True)
class PriceList:
    """A price list, by its id, and the ISO 4217 code of its prices."""

    id: str
    currency: str


@dataclass(frozen=True, slots=True)
class Revision:
    """State of the catalogue: `number` grows with every change of plans, prices or featured plans.

    `lists` are the price lists, the default first. Without any, plans are sold at their cost.
    """

    number: int
    rule_version: int
    lists: tuple[PriceList, ...]

    @property
    def sources(self) -> "list[Source]":
        """The sources that requests can choose from, the default first."""
        return [Source(one) for one in self.lists] or [COSTS]


@lru_cache(maxsize=16)
def parsed(lists: str) -> tuple[PriceList, ...]:
    """Return the price lists of a revision, given as JSON."""
    return tuple(PriceList(one["id"], one["currency"]) for one in json.loads(lists))


@dataclass(frozen=True, slots=True)
class Source:
    """The relation that plans are read from.

    With a price list, that is the view with the prices of the list; without one, the table with the costs.

    A statement for it contains `{plans}` for the relation and `{listed}` for the condition on its rows. It
    may contain `{columns}` for the columns of a plan, and `{version}` for the column that changes with
    every change of a plan or its price.
    """

    price_list: PriceList | None

    @property
    def key(self) -> str:
        """The id of the price list; empty without one."""
        return "" if self.price_list is None else self.price_list.id

    async def fetch(self, connection: Connection, statement: str, *values: Any) -> Sequence[Any]:
        """Return the rows of a statement."""
        return await connection.fetch(self.sql(statement), *values, *self.parameters)

    def sql(self, statement: str) -> str:
        """Fill in a statement; `parameters` follow those of the statement."""
        return _at_cost(statement) if self.price_list is None else _listed(statement)

    @property
    def parameters(self) -> tuple[str, ...]:
        return () if self.price_list is None else (self.price_list.id,)


COSTS = Source(None)


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices for a request: their source at a revision of the catalogue."""

    revision: int
    source: Source


# The first plan is nearly always on sale, and found by its index.
CURRENCY = """
select coalesce(
    (select currency from catalogue.data_plans where offered order by name limit 1),
    (select currency from catalogue.data_plans where not withdrawn limit 1)
)
"""


async def currency_of_costs(connection: Connection) -> str | None:
    """Return the currency of all plans that the provider offers; None before the first plan."""
    currency: str | None = await connection.fetchval(CURRENCY)
    return currency


async def choose(
    connection: Connection, revision: Revision, currency: str, offered: str | None = None
) -> Source:
    """Return the price list of a currency, by default the first one; the costs if there are no lists.

    `offered` is the currency of the costs if the caller knows it. Raises Failure INVALID
    (UNKNOWN_CURRENCY), which names the existing currencies.
    """
    if not currency:
        return revision.sources[0]
    for one in revision.lists:
        if one.currency == currency:
            return Source(one)
    existing = [one.currency for one in revision.lists]
    if not existing:
        offered = offered or await currency_of_costs(connection)
        if offered is None or offered == currency:
            return COSTS
        existing = [offered]
    raise unknown_currency(existing)


def unknown_currency(existing: Sequence[str]) -> Failure:
    *others, last = existing
    names = f"{', '.join(others)} or {last}" if others else last
    text = f"must be {names}; omit it for prices in {existing[0]}"
    return invalid({"currency": text}, reason="UNKNOWN_CURRENCY")


@lru_cache(maxsize=1024)
def _at_cost(statement: str) -> str:
    return statement.format(
        plans="catalogue.data_plans",
        listed="true",
        columns=f"{COLUMNS}, updated_at as version",
        version="updated_at as version",
    )


@lru_cache(maxsize=1024)
def _listed(statement: str) -> str:
    """Fill in the view; the id of the list is the parameter after those of the statement."""
    last = max((int(number) for number in PARAMETER.findall(statement)), default=0)
    return statement.format(
        plans="catalogue.listed_plans",
        listed=f"price_list = ${last + 1}",
        columns=f"{COLUMNS}, version, includes_tax, tax_rate",
        version="version",
    )
