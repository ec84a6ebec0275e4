"""All plans on sale in a price list at one revision, indexed in memory for every filter and order."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from services.catalogue.facets import Tally
from services.catalogue.paging import Page, PlanVersion
from services.catalogue.plan import PlanFilter, PlanOrder
from services.catalogue.snapshot.ordered import Columns, Ordered, Traits
from services.catalogue.sorting import SORTINGS
from services.catalogue.store import version


class SnapshotBuilder:
    """Collects plans while they are read for a snapshot."""

    def __init__(self) -> None:
        self.versions: list[PlanVersion] = []
        self.columns = Columns()
        self.traits = Traits()
        self.currency: str | None = None
        self._equal: dict[Any, Any] = {}  # many plans have equal prices and times, stored once

    def add(self, rows: Iterable[Any]) -> None:
        """Add plans on sale; all of them arrive in the order of their names."""
        columns, traits = self.columns, self.traits
        for row in rows:
            number = len(self.versions)
            its = version(row)
            self.versions.append((row["id"], self._equal.setdefault(its, its)))
            self.currency = self.currency or row["currency"]
            columns.names.append(row["name"])
            columns.prices.append(self._equal.setdefault(row["price"], row["price"]))
            columns.durations.append(row["duration_days"])
            columns.data_ranks.append(row["data_rank"])
            head, _, others = row["search_text"].partition("\n")
            traits.heads.append(head)
            for values, held in (
                (row["country_keys"], traits.countries),
                (row["region_keys"], traits.regions),
                (row["groups"], traits.groups),
                (others.split(), traits.tokens),
                ((row["duration_days"],), traits.durations),
                ((row["unlimited"],), traits.unlimited),
                ((row["single_country"],), traits.single_country),
                ((row["profile_name"],), traits.profiles),
            ):
                for value in set(values):
                    held.setdefault(value, []).append(number)


class Snapshot:
    """Answers lists and facets. `currency` is that of all prices; None without plans."""

    def __init__(self, builder: SnapshotBuilder, revision: int) -> None:
        columns, traits = builder.columns, builder.traits
        names = columns.names
        self.revision = revision
        self.currency = builder.currency
        self._versions = builder.versions
        self._columns: Mapping[str, Sequence[Any]] = {
            "name": names,
            "price": columns.prices,
            "duration_days": columns.durations,
            "data_rank": columns.data_ranks,
        }
        self._orders: dict[tuple[str, ...], Ordered] = {}
        for sorting in SORTINGS.values():
            if sorting.columns not in self._orders:
                by = [self._columns[column] for column in sorting.columns]
                self._orders[sorting.columns] = Ordered(columns, traits, columns.rows_by(by[0]), by)

    def __len__(self) -> int:
        return len(self._versions)

    def page(
        self,
        criteria: PlanFilter,
        order: PlanOrder,
        *,
        size: int,
        after: Sequence[Any] | None,
        every_key: bool = False,
    ) -> Page:
        """Return one page after a sort key; with `every_key`, each plan's own key is in it."""
        sorting = SORTINGS[order]
        ordered = self._orders[sorting.columns]
        following = ordered.following(
            ordered.matching(criteria), after, descending=sorting.descending
        )
        rows = list(islice(following, size + 1))
        found = rows[:size]
        keyed = found if every_key else found[-1:]
        columns = [self._columns[column] for column in sorting.columns]
        return Page(
            [self._versions[row] for row in found],
            keys=[[str(column[row]) for column in columns] for row in keyed],
            more=len(rows) > size,
        )

    def top_ups(self, profile: str, countries: Sequence[str], limit: int) -> list[PlanVersion]:
        """Return the cheapest plans of a profile, those that cover all of these countries first."""
        ordered = self._by_price
        found = ordered.of_profile(profile)
        near = found & ordered.covering(countries)
        rows = chain(
            ordered.following(near, None, descending=False),
            ordered.following(found & ~near, None, descending=False),
        )
        return [self._versions[row] for row in islice(rows, limit)]

    def count(self, criteria: PlanFilter) -> int:
        return self._by_price.matching(criteria).bit_count()

    def tally(self, criteria: PlanFilter) -> Tally:
        """Count the plans that match by each facet."""
        ordered = self._by_price
        found = ordered.matching(criteria)

        def counted(sets: Mapping[Any, int]) -> dict[str, int]:
            counts = {value: (found & bits).bit_count() for value, bits in sets.items()}
            return {value: count for value, count in counts.items() if count}

        prices: Sequence[Decimal] = self._columns["price"]
        lowest = next(ordered.following(found, None, descending=False), None)
        highest = next(ordered.following(found, None, descending=True), None)
        return Tally(
            found.bit_count(),
            None if lowest is None else prices[lowest],
            None if highest is None else prices[highest],
            self.currency if found else None,
            countries=counted(ordered.countries),
            regions=counted(ordered.regions),
            durations={str(days): plans for days, plans in counted(ordered.durations).items()},
            unlimited={
                str(kind).lower(): plans for kind, plans in counted(ordered.unlimited).items()
            },
            groups=counted(ordered.groups),
        )

    @property
    def _by_price(self) -> Ordered:
        return self._orders[SORTINGS[PlanOrder.PRICE_ASC].columns]
