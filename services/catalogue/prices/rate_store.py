"""SQL of exchange rates."""

from collections.abc import Iterable
from datetime import datetime

from kit.db.database import Connection
from services.catalogue.prices.rate import Pair, Rate, Rates, Stored

# The newest rate of each pair by source, and the newest held one unless it was corrected by a usable one of
# the same time. Each is one descent of an index, however many days are stored.
NEWEST = """
with recursive pairs as (
    (select base, quote from catalogue.exchange_rates order by base, quote limit 1)
    union all
    select next.base, next.quote
    from pairs
    cross join lateral (
        select base, quote from catalogue.exchange_rates rate
        where (rate.base, rate.quote) > (pairs.base, pairs.quote)
        order by base, quote limit 1
    ) next
)
select newest.base, newest.quote, newest.rate, newest.source, newest.held, newest.at
from pairs
cross join (values ('MANUAL'), ('ECB')) as sources (source)
cross join (values (false), (true)) as kinds (held)
cross join lateral (
    select base, quote, rate, source, held, at, created_at from catalogue.exchange_rates rate
    where rate.base = pairs.base and rate.quote = pairs.quote and rate.source = sources.source
        and rate.held = kinds.held
    order by rate.at desc limit 1
) newest
where not newest.held or not exists (
    select from catalogue.exchange_rates good
    where (good.base, good.quote, good.source) = (newest.base, newest.quote, newest.source)
        and good.at = newest.at and not good.held and good.created_at > newest.created_at
)
"""


async def now(connection: Connection) -> datetime:
    """Return the time by the database's clock, because rates of all processes are compared by their times."""
    at: datetime = await connection.fetchval("select clock_timestamp()")
    return at


async def load(connection: Connection) -> Rates:
    """Return the newest stored rates."""
    rows = await connection.fetch(NEWEST)
    return Rates.of(
        Stored(row["base"], row["quote"], Rate(row["rate"], row["at"], row["source"]), row["held"])
        for row in rows
    )


NEEDED = """
select cost.currency as base, list.currency as quote
from (
    select distinct item ->> 'currency' as currency
    from catalogue.revision, jsonb_array_elements(lists) as item
) list
join (select distinct currency from catalogue.data_plans) cost on cost.currency <> list.currency
"""


async def needed_pairs(connection: Connection) -> list[Pair]:
    """Return the pairs whose rates prices depend on: of each plan's cost and each price list."""
    return [(row["base"], row["quote"]) for row in await connection.fetch(NEEDED)]


STORE = """
insert into catalogue.exchange_rates (base, quote, rate, source, held, at, created_at)
select given.*, clock_timestamp()
from unnest($1::text[], $2::text[], $3::numeric[], $4::text[], $5::boolean[], $6::timestamptz[]) as given
on conflict (base, quote, source, held, at) do update
    set rate = excluded.rate, created_at = clock_timestamp()
"""


async def store(connection: Connection, rows: Iterable[Stored]) -> None:
    """Add rates; one replaces the stored one of the same pair, source and time, if both or none are held."""
    rows = list(rows)
    await connection.execute(
        STORE,
        [row.base for row in rows],
        [row.quote for row in rows],
        [row.rate.rate for row in rows],
        [row.rate.source for row in rows],
        [row.held for row in rows],
        [row.rate.at for row in rows],
    )
