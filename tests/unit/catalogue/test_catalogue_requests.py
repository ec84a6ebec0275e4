from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from kit.errors import Failure
from kit.values.checks import Checks
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.plan import PlanFilter
from services.catalogue.requests import plan_filter, top_ups


def usd(units: int, nanos: int = 0, code: str = "USD") -> Any:
    return {"currency_code": code, "units": units, "nanos": nanos}


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        ({}, PlanFilter()),
        ({"region": " EUROPE "}, PlanFilter(region="europe")),
        ({"country": "Côte d’Ivoire"}, PlanFilter(country="ci")),
        ({"country": "UK"}, PlanFilter(country="gb")),
        ({"country": "Atlantis"}, PlanFilter(country="atlantis")),
        ({"countries": ["UK", "FR", "gb"]}, PlanFilter(countries=("fr", "gb"))),
        ({"single_country": False}, PlanFilter(single_country=False)),
        ({"min_duration_days": 3}, PlanFilter(min_days=3)),
        ({"duration_days": 30}, PlanFilter(duration_days=30)),
        ({"min_price": usd(0)}, PlanFilter(min_price=Decimal(0), currency="USD")),
        ({"max_price": usd(9, 125_000_000, "")}, PlanFilter(max_price=Decimal("9.125"))),
        (
            {"min_price": usd(1, 0, ""), "max_price": usd(1)},
            PlanFilter(min_price=Decimal(1), max_price=Decimal(1), currency="USD"),
        ),
        ({"unlimited": False}, PlanFilter(unlimited=False)),
        ({"bundle_group": "Standard Fixed"}, PlanFilter(bundle_group="Standard Fixed")),
        ({"text": " Viva  ESPAÑA "}, PlanFilter(words=("viva", "espana"))),
        ({"text": "a A á " * 30}, PlanFilter(words=("a",))),
        ({"min_data_mb": 1}, PlanFilter(min_data_mb=1)),
        ({"include_unavailable": True}, PlanFilter(include_unavailable=True)),
    ],
)
def test_valid_requests_are_accepted(conditions: dict[str, Any], wanted: PlanFilter) -> None:
    checks = Checks()
    assert plan_filter(checks, pb.PlanFilter(**conditions)) == wanted
    assert checks.problems == {}


@pytest.mark.parametrize(
    ("conditions", "fields"),
    [
        ({"duration_days": 0}, {"filter.duration_days"}),
        ({"duration_days": -7}, {"filter.duration_days"}),
        ({"min_data_mb": 0}, {"filter.min_data_mb"}),
        ({"min_price": usd(-1)}, {"filter.min_price"}),
        ({"max_price": usd(0, -1)}, {"filter.max_price"}),
        ({"max_price": usd(1, -1)}, {"filter.max_price"}),
        ({"max_price": usd(1, 1_000_000_000)}, {"filter.max_price"}),
        ({"max_price": usd(1, 0, "dollars")}, {"filter.max_price"}),
        ({"min_price": usd(2), "max_price": usd(1)}, {"filter.max_price"}),
        ({"min_price": usd(1), "max_price": usd(2, 0, "GBP")}, {"filter.max_price"}),
        ({"text": "   "}, {"filter.text"}),
        ({"text": "\u0301 \u0308"}, {"filter.text"}),
        ({"text": " ".join("abcdefghijklmnopqrstu")}, {"filter.text"}),
        ({"text": "x" * 201}, {"filter.text"}),
        ({"country": ""}, {"filter.country"}),
        ({"region": "Eu\x00rope"}, {"filter.region"}),
        ({"bundle_group": " "}, {"filter.bundle_group"}),
        ({"country": "", "duration_days": 0}, {"filter.country", "filter.duration_days"}),
    ],
)
def test_invalid_requests_are_reported_field_by_field(
    conditions: dict[str, Any], fields: set[str]
) -> None:
    checks = Checks()
    plan_filter(checks, pb.PlanFilter(**conditions))
    assert set(checks.problems) == fields


def test_the_top_ups_of_one_call_are_limited() -> None:
    ids = [str(UUID(int=number)) for number in range(1, 1001)]
    found, size = top_ups(pb.BatchListTopUpPlansRequest(plan_ids=ids, page_size=50))
    assert (len(found), size) == (1000, 50)
    with pytest.raises(Failure, match="page_size: must be at most 50 for 1000 plans, not 51"):
        top_ups(pb.BatchListTopUpPlansRequest(plan_ids=ids, page_size=51))
