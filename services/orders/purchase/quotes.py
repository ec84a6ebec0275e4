"""Quotes: what an order charges its customer, and what it may cost the shop."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from services.orders.payment import payable_unit
from services.orders.plan import Plan
from services.orders.provider.provider_order import MAX_PLACES
from services.orders.purchase.totals import Totals, totals

NONE = Decimal(0)
PLACES = Decimal(1).scaleb(-MAX_PLACES)


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order charges its customer, in units of `currency`, and what it is expected to cost the shop.

    `cost` is that of the whole order, in the currency of the plan's cost. `max_unit_cost` is the greatest
    cost of one item at which the order is still sold at this price; None without a price list, where the cost
    is the price. `confirmed_at` is when the provider last confirmed the cost; None if that is not known.
    """

    each: Decimal
    currency: str
    totals: Totals
    cost: Decimal
    max_unit_cost: Decimal | None
    confirmed_at: datetime | None

    @property
    def total(self) -> Decimal:
        """What the customer pays."""
        return self.totals.total


def quote(plan: Plan, quantity: int, discount: Decimal = NONE) -> Quote:
    """Return the quote of a plan as the catalogue shows it; `discount` is for the whole order."""
    sums = totals(plan.price, quantity, plan.currency, plan.terms, discount=discount)
    return Quote(
        plan.price,
        plan.currency,
        sums,
        plan.cost * quantity,
        _max_unit_cost(plan, (sums.subtotal - discount) / quantity),
        plan.confirmed_at,
    )


def _max_unit_cost(plan: Plan, price: Decimal) -> Decimal | None:
    """Return the greatest cost at which `price`, after a discount, leaves the margin to absorb.

    It is at least the cost that the price was computed from.
    """
    if plan.listing is None:
        return None
    greatest = plan.listing.terms.greatest_cost(price, amount=plan.listing.absorb)
    return max(plan.cost, greatest.quantize(PLACES, ROUND_DOWN))


def confirmed(known: Quote, cost: Decimal, quantity: int, at: datetime) -> Quote:
    """Return the quote after the provider confirmed the cost of the whole order.

    With a price list only the cost changes; without one, the price follows it.
    """
    if known.max_unit_cost is not None:
        return replace(known, cost=cost, confirmed_at=at)
    discount = min(known.totals.discount, cost)
    return replace(
        known,
        each=round(cost / quantity, MAX_PLACES),
        totals=Totals(cost, discount, NONE, cost - discount),
        cost=cost,
        confirmed_at=at,
    )


def payable(known: Quote) -> Quote:
    """Return the quote with a total that can be paid, by whatever method: rounded up to a payable amount.

    Costs have more digits than that, and so have prices of a list in a currency with three decimal places.
    """
    sums = known.totals
    total = sums.total.quantize(payable_unit(known.currency), ROUND_UP)
    return replace(known, totals=replace(sums, total=total))


def within_cost(max_unit_cost: Decimal | None, quantity: int, cost: Decimal) -> bool:
    """Return whether an order of that cost is still sold at its price."""
    return max_unit_cost is None or cost <= max_unit_cost * quantity
