"""Exchange rates: setting them by hand, storing published ones, and listing those that are in use or held."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kit.db.database import Connection
from kit.errors import Failure, Kind
from services.catalogue.prices import rate_store, rule_store
from services.catalogue.prices.ecb import DailyRates
from services.catalogue.prices.rate import MANUAL, Pair, Rate, Rates, Stored, jumps, published
from services.catalogue.prices.recompute import recompute

# Pairs that an error names.
NAMED = 10
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rate to set by hand: units of the quote currency for one of the base."""

    base: str
    quote: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Listed:
    """A rate in use, or a newer one that is held. `rate` is None if a needed pair has none.

    `needed`: prices depend on it, because a price list has another currency than the plans' costs.
    """

    base: str
    quote: str
    rate: Rate | None
    held: bool
    stale: bool
    needed: bool


async def set_by_hand(
    connection: Connection, wanted: Sequence[Wanted], *, accept_jump: bool
) -> int:
    """Set rates and compute all prices; return how many changed.

    Raises Failure REFUSED (RATE_JUMP) if a rate, or one that is crossed from it, changes too much.
    """
    await rule_store.lock(connection)
    now = await rate_store.now(connection)
    known, needed = await rate_store.load(connection), await rate_store.needed_pairs(connection)
    rows = [Stored(one.base, one.quote, Rate(one.rate, now, MANUAL)) for one in wanted]
    changed = known.changed_by(rows)
    if not accept_jump:
        pairs = dict.fromkeys([*(row.pair for row in rows), *needed])
        _refuse_jumps(known, changed, list(pairs), now)
    await rate_store.store(connection, rows)
    return (await recompute(connection)).changed


def _refuse_jumps(known: Rates, changed: Rates, pairs: list[Pair], now: datetime) -> None:
    found = []
    for pair in pairs:
        before, after = known.current(*pair, now), changed.current(*pair, now)
        if before is not None and after is not None and jumps(before, after):
            found.append(_change(pair, before, after))
    if not found:
        return
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    raise Failure(
        Kind.REFUSED,
        "RATE_JUMP",
        f"No rate was changed, because a change of more than 10 % must be confirmed:"
        f" {'; '.join(found[:NAMED])}{more}. If this is right, set accept_jump (on the command line"
        " --accept-jump)",
    )


def _change(pair: Pair, before: Rate, after: Rate) -> str:
    percent = (after.rate / before.rate - 1) * HUNDRED
    return (
        f"1 {pair[0]} would be {after.rate:f} {pair[1]} instead of {before.rate:f}"
        f" ({before.source}, {before.at:%Y-%m-%d}), {percent:+.1f} %"
    )


async def store_published(connection: Connection, daily: DailyRates) -> list[Stored]:
    """Store the rates of a file, and compute all prices if a rate in use changed; return the new rows."""
    await rule_store.lock(connection)
    now = await rate_store.now(connection)
    known, needed = await rate_store.load(connection), await rate_store.needed_pairs(connection)
    rows = published(known, daily.day, daily.rates, needed, now)
    if not rows:
        return []
    await rate_store.store(connection, rows)
    changed = known.changed_by(rows)
    if any(known.current(*pair, now) != changed.current(*pair, now) for pair in needed):
        await recompute(connection)
    return rows


async def listed(connection: Connection) -> list[Listed]:
    """Return the rate in use of every stored and every needed pair, and the held ones, by currencies."""
    known, needed = await rate_store.load(connection), await rate_store.needed_pairs(connection)
    return listing(known, needed, await rate_store.now(connection))


def listing(known: Rates, needed: Sequence[Pair], now: datetime) -> list[Listed]:
    legs = {leg for pair in needed for leg in known.legs(pair, now)}
    found = []
    for pair in sorted({*known.good, *known.held, *needed}):
        is_needed = pair in needed or pair in legs
        used, held = known.current(*pair, now), known.waiting(pair, now)
        if used is not None or pair in needed:
            stale = used is None or used.stale(now)
            found.append(Listed(*pair, used, held=False, stale=stale, needed=is_needed))
        if held is not None:
            stale = held.stale(now)
            found.append(Listed(*pair, held, held=True, stale=stale, needed=is_needed))
    return found
