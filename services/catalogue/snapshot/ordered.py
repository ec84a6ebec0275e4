"""The plans on sale in one sort order, with a bit set of positions for each filter value."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from services.catalogue.plan import PlanFilter
from services.catalogue.snapshot.bits import Prefixes, bits_of, downwards, upwards

# Search words whose results are cached for each order: 12.5 kB each with 100,000 plans.
MAX_WORDS = 300


@dataclass(frozen=True, slots=True)
class Columns:
    """The values that plans are sorted by; a plan is a row number, in the order of names."""

    names: list[str] = field(default_factory=list)
    prices: list[Decimal] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    data_ranks: list[int] = field(default_factory=list)

    def rows_by(self, column: Sequence[Any]) -> Sequence[int]:
        """Return the rows sorted by a column, then by name."""
        return array("I", sorted(range(len(column)), key=column.__getitem__))


@dataclass(frozen=True, slots=True)
class Traits:
    """The rows of each filter value.

    A word is searched in `heads`, the folded names, and in `tokens`, the remaining text split at spaces:
    no word of a filter contains a space.
    """

    countries: dict[str, list[int]] = field(default_factory=dict)
    regions: dict[str, list[int]] = field(default_factory=dict)
    groups: dict[str, list[int]] = field(default_factory=dict)
    durations: dict[int, list[int]] = field(default_factory=dict)
    single_country: dict[bool, list[int]] = field(default_factory=dict)
    profiles: dict[str, list[int]] = field(default_factory=dict)
    unlimited: dict[bool, list[int]] = field(default_factory=dict)
    tokens: dict[str, list[int]] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)


class Ordered:
    """`rows` are sorted by the columns `by`; a position is an index into `rows`."""

    def __init__(
        self, columns: Columns, traits: Traits, rows: Sequence[int], by: Sequence[Sequence[Any]]
    ) -> None:
        self.rows = rows
        self._by = by
        self._all = (1 << len(rows)) - 1
        at = array("I", bytes(4 * len(rows)))
        for position, row in enumerate(rows):
            at[row] = position
        shared: dict[int, int] = {}  # a country's code and name have equal sets, stored once

        def sets(rows_of: Mapping[Any, Sequence[int]]) -> dict[Any, int]:
            made = {
                value: bits_of([at[row] for row in found], len(rows))
                for value, found in rows_of.items()
            }
            return {value: shared.setdefault(bits, bits) for value, bits in made.items()}

        self.countries: dict[str, int] = sets(traits.countries)
        self.regions: dict[str, int] = sets(traits.regions)
        self.groups: dict[str, int] = sets(traits.groups)
        self.durations: dict[int, int] = sets(traits.durations)
        self.unlimited: dict[bool, int] = sets(traits.unlimited)
        self._single_country: dict[bool, int] = sets(traits.single_country)
        self._profiles: dict[str, int] = sets(traits.profiles)
        self._tokens: dict[str, int] = sets(traits.tokens)
        self._heads = [traits.heads[row] for row in rows]
        self._words: dict[str, int] = {}
        by_price = columns.rows_by(columns.prices)
        self._prices = [columns.prices[row] for row in by_price]
        self._cheapest = Prefixes(array("I", [at[row] for row in by_price]))
        by_data = columns.rows_by(columns.data_ranks)
        self._data_ranks = [columns.data_ranks[row] for row in by_data]
        self._least_data = Prefixes(array("I", [at[row] for row in by_data]))

    def matching(self, criteria: PlanFilter) -> int:
        """Return the set of plans that meet every condition."""
        found = self.covering(criteria.countries)
        conditions: Sequence[tuple[dict[Any, int], Any]] = (
            (self.countries, criteria.country),
            (self._single_country, criteria.single_country),
            (self.regions, criteria.region),
            (self.groups, criteria.bundle_group),
            (self.durations, criteria.duration_days),
            (self.unlimited, criteria.unlimited),
        )
        for sets, value in conditions:
            if value is not None:
                found &= sets.get(value, 0)
        if criteria.min_days is not None or criteria.max_days is not None:
            found &= self._lasting(criteria.min_days or 0, criteria.max_days)
        if criteria.max_price is not None:
            found &= self._cheapest.first(bisect_right(self._prices, criteria.max_price))
        if criteria.min_price is not None:
            found &= ~self._cheapest.first(bisect_left(self._prices, criteria.min_price))
        if criteria.min_data_mb is not None:
            found &= ~self._least_data.first(bisect_left(self._data_ranks, criteria.min_data_mb))
        for word in criteria.words:
            if not found:
                break
            found &= self._having(word)
        return found

    def of_profile(self, profile: str) -> int:
        """Return the set of plans that fit an eSIM with this profile."""
        return self._profiles.get(profile, 0)

    def covering(self, countries: Iterable[str]) -> int:
        """Return the set of plans that cover all of these countries, by their keys."""
        found = self._all
        for country in countries:
            found &= self.countries.get(country, 0)
        return found

    def following(
        self, found: int, key: Sequence[Any] | None, *, descending: bool
    ) -> Iterator[int]:
        """Yield the rows of a set after a sort key, or all without one, in this order or reversed."""
        positions = range(len(self.rows))
        if descending:
            end = (
                len(positions) if key is None else bisect_left(positions, tuple(key), key=self._key)
            )
            return (self.rows[position] for position in downwards(found, end))
        start = 0 if key is None else bisect_right(positions, tuple(key), key=self._key)
        return (self.rows[position] for position in upwards(found, start))

    def _lasting(self, min_days: int, max_days: int | None) -> int:
        found = 0
        for days, bits in self.durations.items():
            if days >= min_days and (max_days is None or days <= max_days):
                found |= bits
        return found

    def _key(self, position: int) -> tuple[Any, ...]:
        row = self.rows[position]
        return tuple(column[row] for column in self._by)

    def _having(self, word: str) -> int:
        """Return the set of plans whose text contains the word; a new word is searched in all names."""
        found = self._words.get(word)
        if found is None:
            # As binary digits, the highest first.
            named = "".join(["1" if word in head else "0" for head in reversed(self._heads)])
            found = int(named or "0", 2)
            for token, bits in self._tokens.items():
                if word in token:
                    found |= bits
            if len(self._words) == MAX_WORDS:
                self._words.clear()
            self._words[word] = found
        return found
