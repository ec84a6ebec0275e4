"""Compares the prices that rules would set with the current ones."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal

from kit.db.database import Connection
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.prices import messages, recompute
from services.catalogue.prices.price_list import PriceList
from services.catalogue.prices.pricings import Computed, Pricings, computed
from services.catalogue.prices.recompute import Recomputed
from services.catalogue.prices.rule_set import RuleSet

# Percentage points of one bucket of margins.
BUCKET = 5


@dataclass(slots=True)
class _Preview:
    counted: Counter[str] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)
    # By margin in percent, then name.
    margins: list[tuple[Decimal, str, Computed]] = field(default_factory=list)


async def preview(
    connection: Connection, current: RuleSet, new: RuleSet, worst: int
) -> tuple[list[pb.PriceListPreview], Recomputed]:
    """Return what would change in each list, and what `recompute` would find.

    Without price lists, the current prices are the costs.
    """
    previews = {one.id: _Preview() for one in new.lists}
    result = Recomputed()
    known = {one.currency: one.id for one in current.lists}
    stored = {one.id: known.get(one.currency, "") for one in new.lists}
    pricings = await Pricings.read(connection, new)
    result.untaxed = pricings.untaxed
    async for slice_ in computed(connection, pricings, stored):
        for one in slice_:
            recompute.note(one, result)
            if one.plan.on_sale and one.price is not None:
                _count(one, previews[one.list.id], at_cost=not current.lists)
    made = [_message(one, previews[one.id], worst) for one in new.lists]
    return made, result


def _count(one: Computed, found: _Preview, *, at_cost: bool) -> None:
    assert one.price is not None
    assert one.pricing is not None
    found.counted["plans"] += 1
    if not one.price.sellable:
        found.counted["unsellable"] += 1
        return
    found.counted["lifted"] += one.price.lifted
    found.counted[_change(one, at_cost=at_cost)] += 1
    made_of = messages.parts(one.pricing.terms, one.price.retail, one.plan.cost)
    bucket = int((made_of.percent / BUCKET).to_integral_value(ROUND_FLOOR)) * BUCKET
    found.buckets[bucket] += 1
    found.margins.append((made_of.percent, one.plan.name, one))


def _change(one: Computed, *, at_cost: bool) -> str:
    """Return how the price of a sellable plan would change."""
    assert one.price is not None
    if at_cost and one.plan.currency == one.list.currency:
        before = one.plan.cost
    elif one.before is not None and one.before.sellable:
        before = one.before.retail
    else:
        return "added"
    if one.price.retail == before:
        return "unchanged"
    return "raised" if one.price.retail > before else "lowered"


def _message(one: PriceList, found: _Preview, worst: int) -> pb.PriceListPreview:
    counted = found.counted
    ends = range(min(found.buckets, default=0), max(found.buckets, default=-1) + 1, BUCKET)
    lowest = sorted(found.margins, key=lambda margin: margin[:2])[:worst]
    return pb.PriceListPreview(
        price_list=one.id,
        currency=one.currency,
        plan_count=counted["plans"],
        raised=counted["raised"],
        lowered=counted["lowered"],
        unchanged=counted["unchanged"],
        added=counted["added"],
        unsellable=counted["unsellable"],
        lifted=counted["lifted"],
        margins=[
            pb.MarginBucket(from_percent=start, plan_count=found.buckets[start]) for start in ends
        ],
        worst=[_price(one) for _, _, one in lowest],
    )


def _price(one: Computed) -> pb.PlanPrice:
    row = recompute.row_of(one, 0, datetime.now(UTC))
    assert row is not None
    assert one.pricing is not None
    message = messages.price_message(row, one.plan.name, one.pricing.terms)
    # It is not valid yet, and its rules have no version.
    message.ClearField("valid_from")
    message.rule_version = 0
    return message
