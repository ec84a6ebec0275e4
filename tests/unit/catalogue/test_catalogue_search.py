from dataclasses import replace
from decimal import Decimal

import pytest

from services.catalogue.plan import Bundle, Country, PlanFilter
from services.catalogue.search import cheapest_by_region, matches, price_per_day

FR = Country("France", "FR", "Europe")
JP = Country("Japan", "JP", "Asia")
BASE = Bundle(
    name="a",
    description="A fixed one",
    groups=("Standard Fixed",),
    countries=(FR,),
    duration_days=10,
    price=Decimal(2),
    data_mb=1000,
    unlimited=False,
    speeds=(),
    autostart=False,
    profile_name="",
    allowances=(),
)


def test_prices_per_day_are_rounded_half_away_from_zero() -> None:
    assert price_per_day(replace(BASE, price=Decimal(1), duration_days=3)) == Decimal("0.333333")
    assert price_per_day(replace(BASE, price=Decimal("0.000005"), duration_days=10)) == Decimal(
        "0.000001"
    )


def test_equal_prices_per_day_are_ordered_by_name() -> None:
    same = replace(BASE, name="b", price=Decimal(1), duration_days=5)
    assert cheapest_by_region([same, BASE], 10) == [BASE]


def test_regions_with_more_bundles_come_first_then_by_name() -> None:
    japan = replace(BASE, name="j", countries=(JP,))
    worldwide = replace(BASE, name="w", countries=(FR, JP))
    more = replace(BASE, name="k", countries=(JP,), price=Decimal(1))
    assert cheapest_by_region([BASE, japan, worldwide, more], 10) == [more, BASE, worldwide]
    assert cheapest_by_region([BASE, japan, worldwide, more], 1) == [more]
    assert cheapest_by_region([], 10) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (PlanFilter(), True),
        (PlanFilter(region="europe"), True),
        (PlanFilter(region="asia"), False),
        (PlanFilter(country="fr"), True),
        (PlanFilter(country="france"), True),
        (PlanFilter(country="jp"), False),
        (PlanFilter(duration_days=10), True),
        (PlanFilter(duration_days=11), False),
        (PlanFilter(min_price=Decimal(2), max_price=Decimal(2)), True),
        (PlanFilter(min_price=Decimal("2.001")), False),
        (PlanFilter(max_price=Decimal("1.999")), False),
        (PlanFilter(unlimited=False), True),
        (PlanFilter(unlimited=True), False),
        (PlanFilter(bundle_group="Standard Fixed"), True),
        (PlanFilter(bundle_group="standard fixed"), False),
        (PlanFilter(words=("fixed", "france")), True),
        (PlanFilter(words=("fixed", "japan")), False),
        (PlanFilter(min_data_mb=1000), True),
        (PlanFilter(min_data_mb=1001), False),
    ],
)
def test_every_condition_of_a_filter_applies(wanted: PlanFilter, found: bool) -> None:
    assert matches(BASE, wanted) is found


def test_an_unlimited_plan_matches_any_amount() -> None:
    assert matches(replace(BASE, unlimited=True, data_mb=None), PlanFilter(min_data_mb=10**9))
