"""Writes the prices of all plans in all lists that changed."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from kit.db.database import Connection, after_commit
from kit.telemetry import metrics
from services.catalogue.prices import rule_store, store
from services.catalogue.prices.price_list import PriceList
from services.catalogue.prices.pricings import Computed, Pricings, computed
from services.catalogue.prices.rule_set import RuleSet
from services.catalogue.prices.store import PriceRow
from services.catalogue.prices.turns import Turns

logger = logging.getLogger(__name__)
# Rows that one statement writes, which takes a millisecond or two of the event loop.
ROWS = 100
# Stands for the time of a new price until it is written.
PENDING = datetime.max.replace(tzinfo=UTC)


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
    # Lists without the tax rate of their country.
    untaxed: Sequence[PriceList] = ()


async def recompute(connection: Connection) -> Recomputed:
    """Compute all prices, and write what changed, in the caller's transaction.

    A caller that writes anything before must take `rule_store.lock` first. Prices that can't be computed are
    logged and keep their values, but a plan whose cost changed is then off sale: a sync of the catalogue
    never fails because of them.
    """
    await rule_store.lock(connection)
    return await apply(connection, (await rule_store.current(connection)).parsed())


async def apply(connection: Connection, rules: RuleSet) -> Recomputed:
    """Compute all prices by these rules, which must be the current ones; the lock must be held."""
    result = Recomputed()
    rows, replaced = list[PriceRow](), set[tuple[str, UUID]]()
    if rules.lists:
        pricings = await Pricings.read(connection, rules)
        result.untaxed = pricings.untaxed
        async for found in computed(connection, pricings):
            _collect(found, rules.version, result, rows, replaced)
    # As late as possible, because others see the prices only when they are committed.
    at = await store.now(connection)
    dropped = await store.drop_others(connection, [one.id for one in rules.lists], at)
    turns = Turns()
    for start in range(0, len(rows), ROWS):
        began = time.perf_counter()
        part = [_valid_from(row, at) for row in rows[start : start + ROWS]]
        await store.write(connection, part, [row for row in part if row[:2] in replaced], at)
        await turns.rest(began)
    result.changed += dropped
    _report(result)
    return result


def _collect(
    found: Sequence[Computed],
    version: int,
    result: Recomputed,
    rows: list[PriceRow],
    replaced: set[tuple[str, UUID]],
) -> None:
    """Add the rows to write, and the keys of those that go to the history before."""
    for one in found:
        note(one, result)
        row = row_of(one, version, PENDING)
        if row is None or row == one.before:
            continue
        rows.append(row)
        if row.valid_from is PENDING:
            result.changed += 1
            if one.before is not None:
                replaced.add((row.price_list, row.plan_id))


def _valid_from(row: PriceRow, at: datetime) -> PriceRow:
    """Fill in the times of a row that are PENDING."""
    return row._replace(
        valid_from=at if row.valid_from is PENDING else row.valid_from,
        shown_at=at if row.shown_at is PENDING else row.shown_at,
    )


def _report(result: Recomputed) -> None:
    if result.missing:
        pairs = ", ".join(f"{base} to {quote}" for base, quote in sorted(result.missing))
        logger.warning("prices can't be computed without an exchange rate: %s", pairs)
    if result.untaxed:
        lists = ", ".join(f"{one.id} ({one.tax_country})" for one in result.untaxed)
        logger.warning("prices can't be computed without the tax rate of these lists: %s", lists)
    # New rules that are refused are computed too.
    after_commit(lambda: _unsellable(result.unsellable))


def _unsellable(plans: int) -> None:
    metrics.gauge(
        "esimgo_catalogue_unsellable_plans",
        "Plans off sale because no allowed price keeps the minimum margin, over all price lists",
    ).set(plans)


def note(one: Computed, result: Recomputed) -> None:
    """Count a plan on sale that can't be sold, or that is sold at a loss by a fixed price."""
    if not one.plan.on_sale:
        return
    result.unsellable += not one.stays if one.price is None else not one.price.sellable
    if one.price is None and one.list not in result.untaxed:
        result.missing.add((one.plan.currency, one.list.currency))
    if one.price is not None and one.price.at_a_loss:
        result.loss.rules.setdefault(one.price.rule)
        result.loss.plans.setdefault(one.plan.name)


def row_of(one: Computed, version: int, at: datetime) -> PriceRow | None:
    """Return the row of a price; None for a plan that has no price because one can't be computed.

    If the price, its tax, its cost or its rule changed, the row is valid from `at`. Otherwise it continues
    the stored row, with the new exchange rate and least price. Customers don't see costs and rules, so
    `shown_at` doesn't change with them.
    """
    before = one.before
    if one.price is None or one.pricing is None:
        if before is None or not before.sellable or one.stays:
            return before
        # Its cost is another one, so the old price may be a loss.
        return before._replace(sellable=False, least_price=None, valid_from=at, shown_at=at)
    price, terms = one.price, one.pricing.terms
    includes_tax = one.list.includes_tax and bool(terms.tax)
    shown = (one.list.currency, price.retail, includes_tax, terms.tax, price.sellable)
    made_of = (one.plan.cost, one.plan.currency, price.rule)
    shown_at = valid_from = at
    if before is not None and shown == _shown(before):
        shown_at = before.shown_at
        if made_of == (before.cost, before.cost_currency, before.rule):
            version, valid_from = before.rule_version, before.valid_from
    return PriceRow(
        one.list.id,
        one.plan.id,
        one.list.currency,
        price.retail,
        includes_tax,
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
        valid_from,
        shown_at,
    )


def _shown(row: PriceRow) -> tuple[object, ...]:
    return row.currency, row.retail, row.includes_tax, row.tax_rate, row.sellable
