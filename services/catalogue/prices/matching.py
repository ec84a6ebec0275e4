"""Finds the first rule that matches a plan, for many plans and hundreds of rules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from kit.values.plain_text import fold
from providers.esim_go.countries import country_key
from services.catalogue.prices.rules import Kind, Rule


@dataclass(frozen=True, slots=True, eq=False)
class Countries:
    """The countries of plans, as (ISO code, name); plans with the same countries share one object."""

    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """The properties of a plan that rules match, and its cost.

    `data_mb` is None if the plan is unlimited, or its amount is unknown. `on_sale`: not withdrawn, not
    hidden.
    """

    id: UUID
    name: str
    cost: Decimal
    currency: str
    region: str
    groups: tuple[str, ...]
    countries: Countries
    days: int
    data_mb: int | None
    unlimited: bool
    on_sale: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The rule of a plan, and its value: the amount of the cell for MATRIX."""

    rule: Rule
    value: Decimal


class _Named:
    """The rules by the values that one of their conditions names; `unlimited` ones have no such condition."""

    def __init__(self, conditions: Sequence[frozenset[str]]) -> None:
        self.unlimited = 0
        self._by_value: dict[str, int] = {}
        for position, values in enumerate(conditions):
            if not values:
                self.unlimited |= 1 << position
            for value in values:
                self._by_value[value] = self._by_value.get(value, 0) | 1 << position

    def of(self, *values: str) -> int:
        """Return the rules that any of these values meets."""
        bits = self.unlimited
        for value in values:
            bits |= self._by_value.get(value, 0)
        return bits


class Matcher:
    """Rules, by priority.

    A set of rules is an int with one bit for each rule, the lowest for the first rule. One set is cached for
    each combination of countries, region and groups, and one for each combination of duration and data:
    there are far fewer combinations than plans.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._by_place: dict[tuple[object, ...], int] = {}
        self._by_size: dict[tuple[object, ...], int] = {}
        self._by_list: dict[str, int] = {}
        self._countries = _Named([rule.match.countries for rule in rules])
        self._regions = _Named([rule.match.regions for rule in rules])
        self._groups = _Named([rule.match.groups for rule in rules])
        self._any_plan = self._such(lambda rule: not rule.match.plans)
        self._by_plan: dict[UUID, int] = {}
        for position, rule in enumerate(rules):
            for plan in rule.match.plans:
                self._by_plan[plan] = self._by_plan.get(plan, 0) | 1 << position

    def matching(self, plan: Facts) -> int:
        """Return the rules whose conditions a plan meets, for `first`."""
        found = self._of_place(plan) & self._of_size(plan)
        return found & (self._any_plan | self._by_plan.get(plan.id, 0))

    def first(self, matching: int, plan: Facts, price_list: str) -> Found | None:
        """Return the first matching rule of a price list; None if there is none."""
        found = matching & self._of_list(price_list)
        while found:
            lowest = found & -found
            rule = self._rules[lowest.bit_length() - 1]
            if rule.kind is not Kind.MATRIX:
                return Found(rule, rule.value)
            amount = rule.cell(plan.groups, plan.days)
            if amount is not None:
                return Found(rule, amount)
            found ^= lowest
        return None

    def _of_list(self, price_list: str) -> int:
        bits = self._by_list.get(price_list)
        if bits is None:
            bits = self._such(lambda rule: rule.price_list in ("", price_list))
            self._by_list[price_list] = bits
        return bits

    def _of_place(self, plan: Facts) -> int:
        key = (plan.countries, plan.region, plan.groups)
        bits = self._by_place.get(key)
        if bits is None:
            bits = self._of_countries(plan.countries) & self._regions.of(fold(plan.region))
            bits = self._by_place[key] = bits & self._groups.of(*plan.groups)
        return bits

    def _of_countries(self, countries: Countries) -> int:
        if not countries.names:
            return self._countries.unlimited
        bits = -1
        for iso, name in countries.names:
            # A rule may name a country by a name that has no ISO code.
            bits &= self._countries.of(_key(iso), _key(name))
        return bits

    def _of_size(self, plan: Facts) -> int:
        key = (plan.days, plan.data_mb, plan.unlimited)
        bits = self._by_size.get(key)
        if bits is None:
            days, data_mb, unlimited = plan.days, plan.data_mb or 0, plan.unlimited

            def meets(rule: Rule) -> bool:
                match = rule.match
                return (
                    (match.min_days is None or days >= match.min_days)
                    and (match.max_days is None or days <= match.max_days)
                    and (match.unlimited is None or unlimited == match.unlimited)
                    and (match.min_mb is None or unlimited or data_mb >= match.min_mb)
                    and (match.max_mb is None or (not unlimited and data_mb <= match.max_mb))
                )

            bits = self._by_size[key] = self._such(meets)
        return bits

    def _such(self, meets: Callable[[Rule], bool]) -> int:
        bits = 0
        for position, rule in enumerate(self._rules):
            if meets(rule):
                bits |= 1 << position
        return bits


@lru_cache(maxsize=2_000)
def _key(country: str) -> str:
    return country_key(country)
