"""Exchange rates: which one is in use, and which ones change too much to be used without being confirmed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Context, Decimal

# The currency that the European Central Bank publishes rates of; other pairs are crossed over it.
HUB = "EUR"
MANUAL = "MANUAL"
ECB = "ECB"
ONE = Decimal(1)
# Significant digits of a rate that is calculated from others.
DIGITS = Context(prec=12)
# A rate that differs by more than this share from the one in use must be confirmed.
MAX_JUMP = Decimal("0.1")
# A rate is stale when more than this many days have passed since the day that it is for.
MAX_DAYS = 4
# Bounds of plausible rates between any two currencies.
LEAST, GREATEST = Decimal("0.000000001"), Decimal(10) ** 9
PLAIN = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,18})?")

# (base, quote)
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Rate:
    """`rate` units of the quote currency are worth one of the base. `source` is MANUAL or ECB."""

    rate: Decimal
    at: datetime
    source: str

    def stale(self, now: datetime) -> bool:
        """Return True if the rate is more than four days old, counted in days of UTC."""
        return days_between(self.at, now) > MAX_DAYS

    def inverse(self) -> "Rate":
        """Return the rate of the opposite direction."""
        return Rate(DIGITS.divide(ONE, self.rate), self.at, self.source)


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored rate of a pair; `held` ones are not in use."""

    base: str
    quote: str
    rate: Rate
    held: bool = False

    @property
    def pair(self) -> Pair:
        return self.base, self.quote


@dataclass(slots=True)
class Rates:
    """The newest stored rates of each pair by source, and the newest one that is held.

    A held rate that was later corrected by a usable one of the same time is left out.
    """

    good: dict[Pair, dict[str, Rate]] = field(default_factory=dict)
    held: dict[Pair, Rate] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Stored]) -> "Rates":
        rates = cls()
        for row in rows:
            rates._add(row)
        return rates

    def _add(self, row: Stored) -> None:
        if row.held:
            known = self.held.get(row.pair)
            if known is None or row.rate.at >= known.at:
                self.held[row.pair] = row.rate
            return
        by_source = self.good.setdefault(row.pair, {})
        known = by_source.get(row.rate.source)
        if known is None or row.rate.at >= known.at:
            by_source[row.rate.source] = row.rate

    def changed_by(self, rows: Iterable[Stored]) -> "Rates":
        """Return the rates after adding these rows."""
        changed = Rates({pair: dict(known) for pair, known in self.good.items()}, dict(self.held))
        for row in rows:
            changed._add(row)
        return changed

    def direct(self, base: str, quote: str, now: datetime) -> Rate | None:
        """Return the rate in use among those stored for the pair or its inverse; None if there is none.

        A rate that was set by hand applies before any other until it is stale; otherwise the newest applies.
        """
        found = list(self.good.get((base, quote), {}).values())
        found += [rate.inverse() for rate in self.good.get((quote, base), {}).values()]
        fresh = [rate for rate in found if rate.source == MANUAL and not rate.stale(now)]
        return max(fresh or found, key=lambda rate: rate.at, default=None)

    def current(self, base: str, quote: str, now: datetime) -> Rate | None:
        """Return the rate in use: of the pair, or else crossed over the euro; None if there is none."""
        found = self.direct(base, quote, now)
        if found is not None or HUB in (base, quote):
            return found
        first, second = self.direct(HUB, base, now), self.direct(HUB, quote, now)
        if first is None or second is None:
            return None
        older = min(first, second, key=lambda rate: rate.at)
        source = MANUAL if MANUAL in (first.source, second.source) else ECB
        return Rate(DIGITS.divide(second.rate, first.rate), older.at, source)

    def legs(self, pair: Pair, now: datetime) -> tuple[Pair, ...]:
        """Return the pairs, in both directions, on whose stored rates the rate in use of a pair depends."""
        base, quote = pair
        is_crossed = HUB not in pair and self.direct(base, quote, now) is None
        found = [(HUB, base), (HUB, quote)] if is_crossed else [pair]
        return tuple(leg for one, other in found for leg in ((one, other), (other, one)))

    def waiting(self, pair: Pair, now: datetime) -> Rate | None:
        """Return the held rate of a pair, unless a newer one is in use."""
        held = self.held.get(pair)
        if held is None:
            return None
        used = self.direct(*pair, now)
        # If both have the same time, the held rate was stored later, because storing a usable one afterwards
        # would have removed it.
        return held if used is None or held.at >= used.at else None


def days_between(earlier: datetime, later: datetime) -> int:
    """Return the number of days between two days of UTC."""
    return (later.astimezone(UTC).date() - earlier.astimezone(UTC).date()).days


def jumps(before: Rate | None, after: Rate | None) -> bool:
    """Return True if the rates differ by more than MAX_JUMP."""
    if before is None or after is None:
        return False
    return abs(after.rate - before.rate) > MAX_JUMP * before.rate


def parse(text: str) -> Decimal | None:
    """Return the rate in plain decimal digits; None for anything else, and for an impossible rate."""
    if not PLAIN.fullmatch(text):
        return None
    rate = Decimal(text)
    return rate if LEAST <= rate <= GREATEST else None


def published(
    known: Rates,
    day: date,
    by_currency: Mapping[str, Decimal],
    needed: Iterable[Pair],
    now: datetime,
) -> list[Stored]:
    """Return the rows to store for rates to one euro that were published for a day, each held or not.

    A rate is held if it differs too much from the one in use, or if using it would change the rate of a pair
    that price lists need too much.
    Rates that were stored before, or are older than the stored ones, are left out.
    """
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    per_euro = {**by_currency, HUB: ONE}
    pairs = {(HUB, currency) for currency in by_currency}
    # Pairs set by hand get a published rate too, which takes over when the manual one is stale.
    pairs |= {pair for pair in known.good if pair[0] in per_euro and pair[1] in per_euro}
    rows = {}
    for base, quote in sorted(pairs):
        rate = per_euro[quote] if base == HUB else DIGITS.divide(per_euro[quote], per_euro[base])
        new = Rate(rate, at, ECB)
        if not _is_news(known, (base, quote), new):
            continue
        held = jumps(known.current(base, quote, now), new)
        rows[base, quote] = Stored(base, quote, new, held)
    _hold_crossed(known, rows, list(needed), now)
    return list(rows.values())


def _is_news(known: Rates, pair: Pair, new: Rate) -> bool:
    """Return False for a rate that is the last stored one, or older than it."""
    good, held = known.good.get(pair, {}).get(ECB), known.held.get(pair)
    last = held if good is None or (held is not None and held.at >= good.at) else good
    return last is None or last.at < new.at or (last.at == new.at and last.rate != new.rate)


def _hold_crossed(
    known: Rates, rows: dict[Pair, Stored], needed: list[Pair], now: datetime
) -> None:
    """Hold the rates from which the rate of a needed pair is crossed, if that rate would change too much.

    Two rates that each change a little, in opposite directions, can change the crossed rate too much.
    """
    while True:
        changed = known.changed_by(row for row in rows.values() if not row.held)
        hold = {
            leg
            for pair in needed
            if jumps(known.current(*pair, now), changed.current(*pair, now))
            for leg in known.legs(pair, now)
            if leg in rows and not rows[leg].held
        }
        if not hold:
            return
        for leg in hold:
            rows[leg] = Stored(*leg, rows[leg].rate, held=True)
