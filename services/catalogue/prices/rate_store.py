"""SQL of exchange rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from typing import Any

from kit.db.database import Connection

# The currency that the European Central Bank publishes rates of.
HUB = "EUR"
ONE = Decimal(1)
# Significant digits of a rate that is calculated from others.
PLACES = Context(prec=12)


@dataclass(frozen=True, slots=True)
class Rate:
    """`rate` units of the quote currency are worth one of the base. `source` is MANUAL or ECB."""

    rate: Decimal
    at: datetime
    source: str


NEWEST = """
select distinct on (base, quote) base, quote, rate, at, source
from catalogue.exchange_rates
where not held and base = any($1::text[]) and quote = any($1::text[])
order by base, quote, at desc, id desc
"""


async def current_rate(connection: Connection, base: str, quote: str) -> Rate | None:
    """Return the newest rate that is not held back: of the pair, its inverse, or crossed over the euro.

    None if there is none. `base` and `quote` must differ.
    """
    rows = await connection.fetch(NEWEST, [base, quote, HUB])
    pairs = {(row["base"], row["quote"]): row for row in rows}
    found = _of_pair(pairs, base, quote)
    if found is not None:
        return found
    first, second = _of_pair(pairs, base, HUB), _of_pair(pairs, HUB, quote)
    if first is None or second is None:
        return None
    older = min(first, second, key=lambda rate: rate.at)
    return Rate(PLACES.multiply(first.rate, second.rate), older.at, older.source)


def _of_pair(pairs: Mapping[tuple[str, str], Any], base: str, quote: str) -> Rate | None:
    """Return the newer one of the pair's rate and that of the inverse pair."""
    direct, inverse = pairs.get((base, quote)), pairs.get((quote, base))
    if direct is not None and (inverse is None or direct["at"] >= inverse["at"]):
        return Rate(direct["rate"], direct["at"], direct["source"])
    if inverse is not None:
        return Rate(PLACES.divide(ONE, inverse["rate"]), inverse["at"], inverse["source"])
    return None
