"""Computes the price of a plan in a list: rule, conversion, tax, rounding up, and the least price."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from enum import StrEnum

from kit.values.margin import Terms
from services.catalogue.prices.matching import Found
from services.catalogue.prices.price_list import PriceList
from services.catalogue.prices.rules import Kind

ONE = Decimal(1)
# Each step is rounded to these decimal places, so that the steps that are shown add up.
EXACT = Decimal("1E-12")
# Digits for every product of a cost, a rate and shares.
WIDE = Context(prec=60)
# A price of this or more does not fit the column plan_prices.retail: it is a mistake, and is never sold.
TOO_HIGH = Decimal(10) ** 15


class StepKind(StrEnum):
    """The parts of a computation, as PriceStepKind lists them."""

    RULE = "RULE"
    CONVERSION = "CONVERSION"
    TAX = "TAX"
    ROUNDING = "ROUNDING"
    FLOOR = "FLOOR"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; the amount after it is in `currency`."""

    kind: StepKind
    before: Decimal
    after: Decimal
    currency: str
    description: str


@dataclass(frozen=True, slots=True)
class Pricing:
    """A price list for costs in one currency.

    `at` is the time of the exchange rate; None if costs and prices have the same currency.
    """

    list: PriceList
    cost_currency: str
    terms: Terms
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Price:
    """A computed price. `retail` is as customers see it; it never is below `least`, even if not sellable.

    `by_rule` is the rounded price before it was lifted to the least price. `least` is the exact least price;
    None: no price keeps the minimum margin.
    """

    retail: Decimal
    by_rule: Decimal
    least: Decimal | None
    sellable: bool
    lifted: bool
    rule: str
    fixed: bool

    @property
    def at_a_loss(self) -> bool:
        """True if a rule fixes a price below the least price of the plan."""
        return self.fixed and self.least is not None and self.by_rule < self.least


def price_of(
    cost: Decimal, found: Found | None, pricing: Pricing, steps: list[Step] | None = None
) -> Price:
    """Return the price of a plan with this cost, for which this rule was found.

    The steps of the computation are added to `steps`.
    """
    with localcontext(WIDE):
        return _Computation(pricing, steps).run(cost, found)


class _Computation:
    def __init__(self, pricing: Pricing, steps: list[Step] | None) -> None:
        self._pricing = pricing
        self._list = pricing.list
        self._steps = steps

    def run(self, cost: Decimal, found: Found | None) -> Price:
        kind = found.rule.kind if found is not None else None
        amount = cost
        if found is not None and kind is Kind.MARKUP_PERCENT:
            amount = self._rule(cost, (cost * (ONE + found.value)).quantize(EXACT), found)
        elif found is not None and kind is Kind.TARGET_MARGIN:
            amount = self._rule(cost, (cost / (ONE - found.value)).quantize(EXACT), found)
        amount = self._converted(amount)
        if found is not None and kind in (Kind.MARKUP_FIXED, Kind.MATRIX):
            amount = self._rule(amount, amount + found.value, found)
        elif found is not None and kind is Kind.FIXED_PRICE:
            amount = self._rule(amount, found.value, found)
        if kind is not Kind.FIXED_PRICE:
            amount = self._taxed(amount)
        return self._sold(cost, amount, found)

    def _rule(self, before: Decimal, after: Decimal, found: Found) -> Decimal:
        def text() -> str:
            return f"rule {found.rule.name}: {_by_rule(found, self._list.currency)}"

        of_cost = found.rule.kind in (Kind.MARKUP_PERCENT, Kind.TARGET_MARGIN)
        currency = self._pricing.cost_currency if of_cost else self._list.currency
        return self._step(StepKind.RULE, before, after, text, currency)

    def _converted(self, amount: Decimal) -> Decimal:
        cost_currency, currency = self._pricing.cost_currency, self._list.currency
        if cost_currency == currency:
            return amount
        rate = self._pricing.terms.rate
        after = (amount * rate).quantize(EXACT)
        return self._step(
            StepKind.CONVERSION,
            amount,
            after,
            lambda: f"1 {cost_currency} is {plain(rate)} {currency}",
        )

    def _taxed(self, amount: Decimal) -> Decimal:
        tax = self._pricing.terms.tax
        if not self._list.includes_tax or not tax:
            return amount
        after = (amount * (ONE + tax)).quantize(EXACT)
        return self._step(
            StepKind.TAX,
            amount,
            after,
            lambda: f"plus {percent(tax)} tax of {self._list.tax_country}",
        )

    def _sold(self, cost: Decimal, amount: Decimal, found: Found | None) -> Price:
        own, grid = self._list, self._list.grid
        highest = TOO_HIGH - grid.unit
        rounded = grid.up_from_about(amount) if amount < highest else highest
        self._step(StepKind.ROUNDING, amount, rounded, lambda: f"rounded {_grid(own)}")
        least = self._pricing.terms.least_price(cost, amount=own.min_margin, share=own.min_share)
        # The price of a plan that can't be sold is public too, so it must not be lower than the least price:
        # without a rule, that would be the cost.
        retail, sellable = highest, False
        if least is not None and max(amount, least) < highest:
            retail = grid.up(least) if rounded < least else rounded
            sellable = retail < highest and not self._exceeds_markup(retail, cost)
        self._step(StepKind.FLOOR, rounded, retail, lambda: _floor(own, least))
        return Price(
            retail,
            rounded,
            None if least is None else least.quantize(EXACT, ROUND_CEILING),
            sellable=sellable,
            lifted=least is not None and retail > rounded,
            rule=found.rule.name if found is not None else "",
            fixed=found is not None and found.rule.kind is Kind.FIXED_PRICE,
        )

    def _exceeds_markup(self, price: Decimal, cost: Decimal) -> bool:
        if self._list.max_markup is None:
            return False
        terms = self._pricing.terms
        gross = ONE + terms.tax if self._list.includes_tax else ONE
        return price > cost * terms.rate * (ONE + self._list.max_markup) * gross

    def _step(
        self,
        kind: StepKind,
        before: Decimal,
        after: Decimal,
        text: Callable[[], str],
        currency: str = "",
    ) -> Decimal:
        """Return the amount after a step; record the step if steps are recorded and it changes the amount."""
        if self._steps is not None and (before != after or kind is StepKind.RULE):
            self._steps.append(Step(kind, before, after, currency or self._list.currency, text()))
        return after


def plain(number: Decimal) -> str:
    """Return a number in plain digits, without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: Decimal) -> str:
    return f"{plain(share * 100)} %"


def _by_rule(found: Found, currency: str) -> str:
    value = found.value
    match found.rule.kind:
        case Kind.MARKUP_PERCENT:
            return f"cost plus {percent(value)}"
        case Kind.TARGET_MARGIN:
            return f"{percent(value)} of the price remain after the cost"
        case Kind.FIXED_PRICE:
            return f"fixed price of {plain(value)} {currency}"
        case Kind.MATRIX:
            return f"plus {plain(value)} {currency}, by group and duration"
        case _:
            return f"plus {plain(value)} {currency}"


def _grid(own: PriceList) -> str:
    texts = {"NONE": "up to the smallest unit", "TO_WHOLE": "up to a whole number"}
    ending = own.rounding.removeprefix("TO_")
    return texts.get(own.rounding, f"up to a price that ends in .{ending}")


def _floor(own: PriceList, least: Decimal | None) -> str:
    if least is None:
        return f"not sold, because no price keeps {_margin(own)}"
    return f"lifted to keep {_margin(own)}"


def _margin(own: PriceList) -> str:
    text = f"a margin of {plain(own.min_margin)} {own.currency}"
    return (
        f"{text} and of {percent(own.min_share)} of the price without tax"
        if own.min_share
        else text
    )
