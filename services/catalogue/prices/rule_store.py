"""SQL of price lists, rules and tax rates, and of the catalogue's names that rules may use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.prices import rule_set
from services.catalogue.prices.conditions import Known
from services.catalogue.prices.price_list import PriceList
from services.catalogue.prices.rule_set import RuleSet

# Held until the end of every transaction that changes prices, or anything that they are computed from. It is
# taken before any row lock, or two such transactions could deadlock.
LOCK = "select pg_advisory_xact_lock(hashtext('catalogue.plan_prices'))"


async def lock(connection: Connection) -> None:
    """Wait until no other transaction changes prices; must come before any write of the transaction."""
    await connection.execute(LOCK)


@dataclass(frozen=True, slots=True)
class Version:
    """A stored version of the rules; version 0 is empty, and has no row."""

    version: int = 0
    lists: Sequence[pb.PriceList] = ()
    rules: Sequence[pb.PriceRule] = ()
    note: str = ""
    created_by: UUID | None = None
    created_at: datetime | None = None

    def parsed(self) -> RuleSet:
        return rule_set.parse(self.lists, self.rules, version=self.version)


COLUMNS = "version, lists, rules, note, created_by, created_at"
CURRENT = f"select {COLUMNS} from catalogue.price_rule_sets order by version desc limit 1"  # noqa: S608 - constants
BY_VERSION = f"select {COLUMNS} from catalogue.price_rule_sets where version = $1"  # noqa: S608 - constants


async def current(connection: Connection) -> Version:
    row = await connection.fetchrow(CURRENT)
    return Version() if row is None else _version(row)


async def by_version(connection: Connection, version: int) -> Version | None:
    """Return a version; None if there is none with that number."""
    if version == 0:
        return Version()
    row = await connection.fetchrow(BY_VERSION, version)
    return None if row is None else _version(row)


LISTS = "select lists from catalogue.price_rule_sets where version = $1"


async def lists(connection: Connection, version: int) -> tuple[PriceList, ...]:
    """Return the price lists of a version."""
    stored = await connection.fetchval(LISTS, version)
    return rule_set.parse(rule_set.lists_from_json(stored or []), []).lists


VERSIONS = """
select version, lists, '[]'::jsonb as rules, note, created_by, created_at
from catalogue.price_rule_sets
where version < $1
order by version desc
limit $2
"""


async def versions(connection: Connection, before: int, limit: int) -> list[Version]:
    """Return the versions below `before`, the newest first, without rules."""
    return [_version(row) for row in await connection.fetch(VERSIONS, before, limit)]


ADD = f"""
insert into catalogue.price_rule_sets (version, lists, rules, note, created_by)
values ($1, $2, $3, $4, $5)
returning {COLUMNS}
"""  # noqa: S608 - constants


async def add(
    connection: Connection,
    version: int,
    lists: Sequence[pb.PriceList],
    rules: Sequence[pb.PriceRule],
    *,
    note: str,
    created_by: UUID | None,
) -> Version:
    """Store a version; `publish` must follow in the same transaction."""
    stored = rule_set.to_json(lists), rule_set.to_json(rules)
    row = await connection.fetchrow(ADD, version, *stored, note, created_by)
    return _version(row)


PUBLISH = "update catalogue.revision set number = number + 1, rule_version = $1, lists = $2"


async def publish(connection: Connection, version: Version) -> None:
    """Let callers choose from the price lists of a version.

    All changes of the catalogue wait for the row that this locks, so it comes after prices are computed.
    """
    shown = [{"id": one.id, "currency": one.currency} for one in version.lists]
    await connection.execute(PUBLISH, version.version, shown)


def _version(row: Any) -> Version:
    return Version(
        row["version"],
        rule_set.lists_from_json(row["lists"]),
        rule_set.rules_from_json(row["rules"]),
        row["note"],
        row["created_by"],
        row["created_at"],
    )


KNOWN = """
select
    array(select distinct unnest(country_keys) from catalogue.data_plans) as countries,
    array(select distinct unnest(region_keys) from catalogue.data_plans) as regions,
    array(select distinct unnest(groups) from catalogue.data_plans) as groups,
    array(select id from catalogue.data_plans where id = any($1::uuid[])) as plans,
    exists (select from catalogue.data_plans) as any_plan
"""


async def known(connection: Connection, plans: Sequence[UUID]) -> Known:
    """Return the names that rules may use; `plans` are the ids of the plans that they name."""
    row = await connection.fetchrow(KNOWN, plans)
    if row is None or not row["any_plan"]:
        return Known()
    return Known(*(frozenset(row[name]) for name in ("countries", "regions", "groups", "plans")))


TAX_RATES = "select country, percent, updated_at from catalogue.tax_rates order by country"
SET_TAX_RATES = """
insert into catalogue.tax_rates as kept (country, percent)
select country, percent from unnest($1::text[], $2::numeric[]) as given (country, percent)
on conflict (country) do update set percent = excluded.percent, updated_at = now()
where kept.percent <> excluded.percent
"""
REMOVE_TAX_RATES = "delete from catalogue.tax_rates where country = any($1::text[])"


async def tax_rates(connection: Connection) -> list[Any]:
    """Return rows of `country`, `percent` and `updated_at`, by country."""
    return list(await connection.fetch(TAX_RATES))


async def set_tax_rates(connection: Connection, rates: Mapping[str, Decimal | None]) -> None:
    """Set the percentages of these countries; None removes the country."""
    given = {country: percent for country, percent in rates.items() if percent is not None}
    await connection.execute(SET_TAX_RATES, list(given), list(given.values()))
    await connection.execute(REMOVE_TAX_RATES, [one for one in rates if rates[one] is None])
