"""Computes the prices of all plans in all lists, and writes those that changed."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from kit.db.database import Connection
from kit.errors import Failure, Kind
from kit.telemetry import metrics
from services.catalogue.prices import rate_store, rule_store, store
from services.catalogue.prices.compute import Price, Pricing, price_of
from services.catalogue.prices.matching import Facts, Found, Matcher
from services.catalogue.prices.price_list import HUNDRED, PriceList
from services.catalogue.prices.rule_set import RuleSet
from services.catalogue.prices.store import PriceRow

logger = logging.getLogger(__name__)

# Plans read and written at once.
SLICE = 500
# Plans computed in one go, in some milliseconds. Then other tasks get as much time as that took.
STRETCH = 100
ONE = Decimal(1)


@dataclass(slots=True)
class Loss:
    """Plans on sale for which the price of a fixed-price rule is below the least price."""

    rules: dict[str, None] = field(default_factory=dict)
    plans: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Recomputed:
    """Result of a computation, over all lists.

    `changed` is the number of prices that changed. `unsellable` is the number of plans on sale for which no
    allowed price keeps the minimum margin.
    """

    changed: int = 0
    unsellable: int = 0
    loss: Loss = field(default_factory=Loss)
    # (base, quote) of exchange rates without which plans on sale have no price.
    missing: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Computed:
    """A price of a plan in a list. `before` is the stored price; `price` is None without an exchange rate."""

    plan: Facts
    list: PriceList
    pricing: Pricing | None
    price: Price | None
    before: PriceRow | None


class Pricings:
    """The lists of a rule set with their rules, taxes and exchange rates."""

    def __init__(self, rules: RuleSet, pricings: dict[tuple[str, str], Pricing]) -> None:
        self.rules = rules
        self._pricings = pricings
        self._matcher = Matcher(rules.rules)
        self._prices: dict[tuple[object, ...], Price] = {}

    @classmethod
    async def read(cls, connection: Connection, rules: RuleSet) -> "Pricings":
        """Read the taxes and exchange rates of a rule set; raises Failure REFUSED (TAX_RATE_MISSING).

        A list has no Pricing for a currency of costs without an exchange rate.
        """
        rows = await rule_store.tax_rates(connection)
        taxes = {row["country"]: row["percent"] / HUNDRED for row in rows}
        rates, now = await rate_store.load(connection), datetime.now(UTC)
        pricings: dict[tuple[str, str], Pricing] = {}
        for cost_currency in await store.cost_currencies(connection):
            for one in rules.lists:
                tax = taxes.get(one.tax_country) if one.tax_country else Decimal(0)
                if tax is None:
                    raise _no_tax(one)
                rate, at = ONE, None
                if one.currency != cost_currency:
                    found = rates.current(cost_currency, one.currency, now)
                    if found is None:
                        continue
                    rate, at = found.rate, found.at
                terms = one.terms(tax, rate)
                pricings[one.id, cost_currency] = Pricing(one, cost_currency, terms, at)
        return cls(rules, pricings)

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
    """Yield the prices of all plans in all lists, in slices; other tasks get half of the time.

    `stored` maps the id of a new list to the id of the stored list to compare it with; by default, the same.
    """
    reader, last = store.FactsReader(), store.FIRST
    while plans := await reader.after(connection, last, SLICE):
        prices = await store.prices_between(connection, last, plans[-1].id)
        last = plans[-1].id
        found: list[Computed] = []
        for start in range(0, len(plans), STRETCH):
            began = time.perf_counter()
            for plan in plans[start : start + STRETCH]:
                for one, pricing, price in pricings.prices(plan):
                    before = prices.get((stored.get(one.id, one.id), plan.id))
                    found.append(Computed(plan, one, pricing, price, before))
            await asyncio.sleep(time.perf_counter() - began)
        yield found


async def recompute(connection: Connection) -> Recomputed:
    """Compute all prices, and write what changed, in the caller's transaction.

    A caller that writes anything before must take `rule_store.lock` first. Raises Failure REFUSED
    (TAX_RATE_MISSING).
    """
    await rule_store.lock(connection)
    return await apply(connection, (await rule_store.current(connection)).parsed())


async def apply(connection: Connection, rules: RuleSet) -> Recomputed:
    """Compute all prices by these rules, which must be the current ones; the lock must be held."""
    result = Recomputed()
    at = await store.now(connection)
    result.changed = await store.drop_others(connection, [one.id for one in rules.lists], at)
    if rules.lists:
        pricings = await Pricings.read(connection, rules)
        async for found in computed(connection, pricings):
            await _write(connection, found, rules.version, at, result)
    if result.missing:
        pairs = ", ".join(f"{base} to {quote}" for base, quote in sorted(result.missing))
        logger.warning("plans are off sale without an exchange rate: %s", pairs)
    metrics.gauge(
        "esimgo_catalogue_unsellable_plans",
        "Plans off sale because no allowed price keeps the minimum margin, over all price lists",
    ).set(result.unsellable)
    return result


async def _write(
    connection: Connection,
    found: Sequence[Computed],
    version: int,
    at: datetime,
    result: Recomputed,
) -> None:
    rows, replaced = list[PriceRow](), list[PriceRow]()
    for one in found:
        note(one, result)
        row = row_of(one, version, at)
        if row is None or row == one.before:
            continue
        rows.append(row)
        if one.before is None or row.valid_from != one.before.valid_from:
            result.changed += 1
            replaced.extend([one.before] if one.before is not None else [])
    await store.write(connection, rows, replaced, at)


def note(one: Computed, result: Recomputed) -> None:
    """Count a plan on sale that can't be sold, or that is sold at a loss by a fixed price."""
    if not one.plan.on_sale:
        return
    result.unsellable += one.price is None or not one.price.sellable
    if one.price is None:
        result.missing.add((one.plan.currency, one.list.currency))
    if one.price is not None and one.price.at_a_loss:
        result.loss.rules.setdefault(one.price.rule)
        result.loss.plans.setdefault(one.plan.name)


def row_of(one: Computed, version: int, at: datetime) -> PriceRow | None:
    """Return the row of a price; None for a plan that has no price because an exchange rate is missing.

    If the price, its tax, its cost or its rule changed, the row is valid from `at`. Otherwise it continues
    the stored row, with the new exchange rate and least price.
    """
    before = one.before
    if one.price is None or one.pricing is None:
        # Its cost is in a currency without a rate, so the old price may be a loss.
        if before is None or not before.sellable:
            return before
        return before._replace(sellable=False, least_price=None, valid_from=at)
    price, terms = one.price, one.pricing.terms
    row = PriceRow(
        one.list.id,
        one.plan.id,
        one.list.currency,
        price.retail,
        one.list.includes_tax and bool(terms.tax),
        terms.tax,
        price.sellable,
        price.lifted,
        one.plan.cost,
        one.plan.currency,
        price.least,
        terms.rate,
        one.pricing.at,
        price.rule,
        version,
        at,
    )
    if before is not None and _listed(row) == _listed(before):
        return row._replace(rule_version=before.rule_version, valid_from=before.valid_from)
    return row


def _listed(row: PriceRow) -> tuple[object, ...]:
    return (
        *(row.currency, row.retail, row.includes_tax, row.tax_rate, row.sellable),
        *(row.cost, row.cost_currency, row.rule),
    )


def _no_tax(one: PriceList) -> Failure:
    return Failure(
        Kind.REFUSED,
        "TAX_RATE_MISSING",
        f"Price list {one.id} has the tax of {one.tax_country}, which has no rate; set it with SetTaxRates",
    )
