"""Computes the prices of all plans in all lists, without writing them."""

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from kit.db.database import Connection
from services.catalogue.prices import rate_store, rule_store, store
from services.catalogue.prices.compute import Price, Pricing, price_of
from services.catalogue.prices.matching import Facts, Found, Matcher
from services.catalogue.prices.price_list import HUNDRED, PriceList
from services.catalogue.prices.rule_set import RuleSet
from services.catalogue.prices.store import PriceRow
from services.catalogue.prices.turns import Turns

# Plans that are read at once, which takes a millisecond or two of the event loop, and plans that are computed
# without a pause, which takes half a millisecond.
SLICE = 40
STRETCH = 5
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Computed:
    """A price of a plan in a list, and the stored one.

    `price` is None without the exchange rate or the tax rate of the list.
    """

    plan: Facts
    list: PriceList
    pricing: Pricing | None
    price: Price | None
    before: PriceRow | None

    @property
    def stays(self) -> bool:
        """True if the plan has no new price, but stays on sale at the stored one, as its cost is the same."""
        return (
            self.price is None
            and self.before is not None
            and self.before.sellable
            and (self.before.cost, self.before.cost_currency, self.before.currency)
            == (self.plan.cost, self.plan.currency, self.list.currency)
        )


class Pricings:
    """The lists of a rule set with their rules, taxes and exchange rates.

    Plans have no price in the `untaxed` lists, whose country has no tax rate.
    """

    def __init__(self, rules: RuleSet, pricings: dict[tuple[str, str], Pricing]) -> None:
        self.rules = rules
        self.untaxed: list[PriceList] = []
        self._pricings = pricings
        self._matcher = Matcher(rules.rules)
        self._prices: dict[tuple[object, ...], Price] = {}

    @classmethod
    async def read(cls, connection: Connection, rules: RuleSet) -> "Pricings":
        """Read the taxes and exchange rates of a rule set.

        A list has no Pricing for a currency of costs without an exchange rate, and none without its tax rate.
        """
        rows = await rule_store.tax_rates(connection)
        taxes = {row["country"]: row["percent"] / HUNDRED for row in rows} | {"": Decimal(0)}
        rates, now = await rate_store.load(connection), await rate_store.now(connection)
        pricings: dict[tuple[str, str], Pricing] = {}
        read = cls(rules, pricings)
        read.untaxed = [one for one in rules.lists if one.tax_country not in taxes]
        for cost_currency in await store.cost_currencies(connection):
            for one in rules.lists:
                if one.tax_country not in taxes:
                    continue
                rate, at = ONE, None
                if one.currency != cost_currency:
                    found = rates.current(cost_currency, one.currency, now)
                    if found is None:
                        continue
                    rate, at = found.rate, found.at
                terms = one.terms(taxes[one.tax_country], rate)
                pricings[one.id, cost_currency] = Pricing(one, cost_currency, terms, at)
        return read

    def prices(self, plan: Facts) -> Iterator[tuple[PriceList, Pricing | None, Price | None]]:
        """Yield the price of a plan in each list."""
        matching = self._matcher.matching(plan)
        for one in self.rules.lists:
            pricing = self._pricings.get((one.id, plan.currency))
            if pricing is None:
                yield one, None, None
            else:
                found = self._matcher.first(matching, plan, one.id)
                yield one, pricing, self._price(plan, found, pricing)

    def _price(self, plan: Facts, found: Found | None, pricing: Pricing) -> Price:
        # Many plans cost the same, and have the same rule.
        rule = None if found is None else (found.rule.name, found.value)
        key = (pricing.list.id, plan.currency, plan.cost, rule)
        price = self._prices.get(key)
        if price is None:
            price = self._prices[key] = price_of(plan.cost, found, pricing)
        return price


async def computed(
    connection: Connection, pricings: Pricings, stored: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[list[Computed]]:
    """Yield the prices of all plans in all lists, in slices. Other busy tasks get half of the time.

    `stored` maps the id of a new list to the id of the stored list to compare it with; by default, the same.
    """
    reader, last, turns = store.FactsReader(), store.FIRST, Turns()
    while True:
        began = time.perf_counter()
        plans = await reader.after(connection, last, SLICE)
        if not plans:
            return
        prices = await store.prices_between(connection, last, plans[-1].id)
        last = plans[-1].id
        await turns.rest(began)
        found: list[Computed] = []
        for start in range(0, len(plans), STRETCH):
            began = time.thread_time()
            for plan in plans[start : start + STRETCH]:
                for one, pricing, price in pricings.prices(plan):
                    before = prices.get((stored.get(one.id, one.id), plan.id))
                    found.append(Computed(plan, one, pricing, price, before))
            await turns.give_way(time.thread_time() - began)
        yield found
