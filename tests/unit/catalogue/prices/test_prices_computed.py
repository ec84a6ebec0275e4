"""Prices over random rules, rates, taxes and fees: the least margin, the steps, and the digits."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.prices import rule_set
from services.catalogue.prices.compute import Pricing, Step, StepKind, price_of
from services.catalogue.prices.matching import Facts, Found, Matcher
from services.catalogue.prices.price_list import PriceList
from tests.unit.catalogue.prices import random_prices as random


@st.composite
def cases(draw: st.DrawFn) -> tuple[pb.PriceList, list[pb.PriceRule], Facts, Decimal, Decimal]:
    """A price list, rules, a plan, a tax as a fraction and an exchange rate."""
    currency = draw(st.sampled_from(random.CURRENCIES))
    given_list = draw(random.lists(currency))
    rules = [draw(random.rules(currency, f"rule {i}")) for i in range(draw(st.integers(0, 4)))]
    tax = draw(random.decimals(0, 1, 3)) if given_list.tax_country else Decimal(0)
    rate = Decimal(1) if currency == "USD" else draw(random.decimals(0, 200, 6)) + Decimal("0.001")
    return given_list, rules, draw(random.plans()), tax, rate


def margin(
    given_list: pb.PriceList, price: Decimal, cost: Decimal, tax: Decimal, rate: Decimal
) -> tuple[Fraction, Fraction]:
    """Return the margin and the price without tax, recounted in fractions from the list as it was set."""
    gross = 1 + Fraction(tax)
    inclusive = given_list.tax_mode == pb.TAX_MODE_INCLUSIVE
    net = Fraction(price) / gross if inclusive else Fraction(price)
    fee = net * gross * Fraction(given_list.payment_fee_percent) / 100
    fee += Fraction(given_list.payment_fee)
    buffer = 1 + Fraction(given_list.exchange_rate_buffer_percent) / 100
    return net - fee - Fraction(cost) * Fraction(rate) * buffer, net


def keeps(given_list: pb.PriceList, margin: Fraction, net: Fraction) -> bool:
    least, share = Fraction(given_list.min_margin), Fraction(given_list.min_margin_percent) / 100
    return margin >= least and margin >= share * net


def on_grid(given_list: pb.PriceList, price: Decimal) -> bool:
    endings = {
        pb.ROUNDING_NONE: price,
        pb.ROUNDING_TO_WHOLE: Decimal(0),
        pb.ROUNDING_TO_99: Decimal("0.99"),
        pb.ROUNDING_TO_90: Decimal("0.9"),
    }
    digits = -int(price.as_tuple().exponent)
    return digits == random.DIGITS[given_list.currency] and (
        endings[given_list.rounding] % 1 == price % 1
    )


def below(given_list: pb.PriceList, price: Decimal) -> Decimal:
    """Return the next lower price of the grid."""
    if given_list.rounding == pb.ROUNDING_NONE:
        return price - Decimal(1).scaleb(-random.DIGITS[given_list.currency])
    return price - 1


def computed(
    given_list: pb.PriceList, rules: list[pb.PriceRule], plan: Facts
) -> tuple[PriceList, Found | None]:
    found = rule_set.parse([given_list], rules)
    matcher = Matcher(found.rules)
    [one] = found.lists
    return one, matcher.first(matcher.matching(plan), plan, one.id)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(cases())
def test_no_sellable_plan_has_less_than_the_minimum_margin(
    case: tuple[pb.PriceList, list[pb.PriceRule], Facts, Decimal, Decimal],
) -> None:
    given_list, rules, plan, tax, rate = case
    one, found = computed(given_list, rules, plan)
    pricing = Pricing(one, plan.currency, one.terms(tax, rate), None)
    steps: list[Step] = []
    price = price_of(plan.cost, found, pricing, steps)
    # Of a plan that can't be sold, it is only as far on the grid as the greatest price allows.
    assert on_grid(given_list, price.retail) or not price.sellable
    # The steps lead from the cost to the price, each from where the one before ended.
    assert [plan.cost, *(step.after for step in steps)] == [
        *(step.before for step in steps),
        price.retail,
    ]
    order = [step.kind for step in steps]
    assert order == sorted(order, key=(expected := _order(found)).index)
    assert set(order) <= set(expected)
    if price.sellable:
        assert keeps(given_list, *margin(given_list, price.retail, plan.cost, tax, rate))
        if price.lifted:
            lower = below(given_list, price.retail)
            assert not keeps(given_list, *margin(given_list, lower, plan.cost, tax, rate))
        if given_list.max_markup_percent:
            _, net = margin(given_list, price.retail, plan.cost, tax, rate)
            most = 1 + Fraction(given_list.max_markup_percent) / 100
            assert net <= Fraction(plan.cost) * Fraction(rate) * most
    else:
        assert price.least is None or given_list.max_markup_percent
    # The same without steps.
    assert price_of(plan.cost, found, pricing) == price


def _order(found: Found | None) -> list[StepKind]:
    kinds = [StepKind.CONVERSION, StepKind.TAX, StepKind.ROUNDING, StepKind.FLOOR]
    of_cost = found is not None and found.rule.kind in ("MARKUP_PERCENT", "TARGET_MARGIN")
    kinds.insert(0 if of_cost else 1, StepKind.RULE)
    return kinds


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(random.matches(), max_size=8), random.plans())
def test_the_first_rule_that_matches_wins(match: list[pb.PriceRuleMatch], plan: Facts) -> None:
    rules = [
        pb.PriceRule(name=str(i), kind=pb.PRICE_RULE_KIND_MARKUP_PERCENT, value="1", match=one)
        for i, one in enumerate(match)
    ]
    _, found = computed(pb.PriceList(id="usd", currency="USD"), rules, plan)
    expected = [str(i) for i, one in enumerate(match) if meets(one, plan)]
    assert (found.rule.name if found else None) == (expected[0] if expected else None)


def meets(match: pb.PriceRuleMatch, plan: Facts) -> bool:
    """Check each condition separately, as the proto documents it."""
    aliases = {"FR": "FR", "Germany": "DE", "JPN": "JP"}
    allowed = {aliases[country] for country in match.countries}
    covered = {iso for iso, _ in plan.countries.names}
    data = float("inf") if plan.unlimited else (plan.data_mb or 0)
    return all(
        [
            not match.countries or (bool(covered) and covered <= allowed),
            not match.regions or plan.region in match.regions,
            not match.groups or bool(set(match.groups) & set(plan.groups)),
            not match.plans or bool({plan.name, str(plan.id)} & set(match.plans)),
            not match.HasField("min_duration_days") or plan.days >= match.min_duration_days,
            not match.HasField("max_duration_days") or plan.days <= match.max_duration_days,
            not match.HasField("min_data_mb") or data >= match.min_data_mb,
            not match.HasField("max_data_mb") or data <= match.max_data_mb,
            not match.HasField("unlimited") or plan.unlimited == match.unlimited,
        ]
    )
