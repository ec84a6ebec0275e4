"""Plan lists over gRPC: filters compared with a plain loop, sort orders, pages, and invalid filters."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from protos.catalogue.v1 import catalogue_pb2 as pb
from tests.component.catalogue.conftest import OpenShop, bundle
from tests.component.catalogue.plain_filters import in_loop, random_filter, read_file, to_proto
from tests.fixtures.examples import CATALOGUES

SMALL = [
    bundle("esim_a", 1.5, "FR", days=7),
    bundle("esim_b", 1.5, "FR", "DE", days=30, data=5000),
    bundle("esim_c", 12.125, "GB", days=30, data=-1, groups=["Standard Unlimited Lite"]),
    bundle("esim_d", 3, "CI", days=15, data=2000),
    bundle("esim_e", 40, "FR", "US", "JP", days=90, data=20000),
    bundle("esim_f", 0.5, "JP", "US", days=1, data=1000),
]


@pytest.mark.parametrize(
    "path",
    [pytest.param(None, id="own"), *(pytest.param(file, id=file.stem) for file in CATALOGUES)],
)
async def test_200_random_filters_match_a_plain_loop(
    open_shop: OpenShop, path: Path | None
) -> None:
    async with open_shop(path) as shop:
        rows = await read_file(shop, path)
        assert len(await shop.plans()) == len(rows)
        rng = random.Random(5221)
        met = 0
        filters: list[dict[str, Any]] = [
            {"region": "Europe", "duration_days": 30, "max_price": Decimal(100)},
            *(random_filter(rng, rows) for _ in range(200)),
        ]
        for conditions in filters:
            plans = await shop.plans(**to_proto(conditions))
            assert {plan.name for plan in plans} == in_loop(rows, **conditions), conditions
            assert len({plan.id for plan in plans}) == len(plans)
            met += bool(plans)
        assert met > 100  # the filters must match something


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (pb.PLAN_ORDER_UNSPECIFIED, "abcdef"),
        (pb.PLAN_ORDER_NAME, "abcdef"),
        (pb.PLAN_ORDER_PRICE_ASC, "fabdce"),
        (pb.PLAN_ORDER_PRICE_DESC, "ecdbaf"),
        (pb.PLAN_ORDER_DURATION_ASC, "fadbce"),
        (pb.PLAN_ORDER_DATA_DESC, "cebdfa"),
    ],
)
async def test_the_pages_of_each_sort_order_contain_every_plan_once(
    open_shop: OpenShop, order: pb.PlanOrder.ValueType, names: str
) -> None:
    async with open_shop(SMALL) as shop:
        listed: list[str] = []
        token = ""
        for _ in range(3):
            page = await shop.call(
                "ListPlans", pb.ListPlansRequest(order_by=order, page_size=2, page_token=token)
            )
            assert page.total_size == 6
            listed.extend(plan.name for plan in page.plans)
            token = page.next_page_token
        assert token == ""
        assert listed == [f"esim_{letter}" for letter in names]


async def test_a_page_token_of_another_filter_is_refused(open_shop: OpenShop) -> None:
    async with open_shop(SMALL) as shop:
        page = await shop.call("ListPlans", pb.ListPlansRequest(page_size=2))
        for token in (page.next_page_token, "made-up"):
            request = pb.ListPlansRequest(filter=pb.PlanFilter(unlimited=False), page_token=token)
            with pytest.raises(Failure) as caught:
                await shop.call("ListPlans", request)
            assert caught.value.reason == "INVALID_PAGE_TOKEN"


async def test_unlimited_plans_match_any_amount_of_data(open_shop: OpenShop) -> None:
    async with open_shop(SMALL) as shop:
        assert [p.name for p in await shop.plans(min_data_mb=5000)] == [
            "esim_b",
            "esim_c",
            "esim_e",
        ]


async def test_words_may_match_in_different_fields(open_shop: OpenShop) -> None:
    async with open_shop(SMALL) as shop:
        assert [p.name for p in await shop.plans(text="germany  ESIM_B")] == ["esim_b"]
        assert await shop.plans(text="germany esim_a") == []
        assert await shop.plans(text="100%_") == []  # no wildcards


@pytest.mark.parametrize("country", ["ci", "CÔTE D'IVOIRE", "cote d’ivoire"])
async def test_countries_are_matched_without_accents_and_case(
    open_shop: OpenShop, country: str
) -> None:
    async with open_shop(SMALL) as shop:
        assert [p.name for p in await shop.plans(country=country)] == ["esim_d"]


async def test_plans_without_a_main_region_match_the_region_global(open_shop: OpenShop) -> None:
    async with open_shop(SMALL) as shop:
        plans = await shop.plans(region="global")
        assert [(p.name, p.region) for p in plans] == [("esim_e", "Global"), ("esim_f", "Global")]


async def test_a_price_without_currency_is_in_the_catalogues_currency(open_shop: OpenShop) -> None:
    async with open_shop(SMALL) as shop:
        price = money.to_proto(Decimal("12.125"), "")
        assert [p.name for p in await shop.plans(min_price=price, max_price=price)] == ["esim_c"]


@pytest.mark.parametrize(
    ("conditions", "reason", "message"),
    [
        ({"country": "Frnace"}, "UNKNOWN_COUNTRY", "did you mean France?"),
        ({"country": "Xanadu"}, "UNKNOWN_COUNTRY", "the list of countries contains all names"),
        ({"region": "Eurpoe"}, "UNKNOWN_REGION", "did you mean Europe?"),
        ({"region": "Europe", "country": "Frnace"}, "UNKNOWN_COUNTRY", "France"),
    ],
)
async def test_unknown_places_are_refused_with_suggestions(
    open_shop: OpenShop, conditions: dict[str, Any], reason: str, message: str
) -> None:
    async with open_shop(SMALL) as shop:
        with pytest.raises(Failure, match=reason) as caught:
            await shop.plans(**conditions)
        assert caught.value.kind is Kind.INVALID
        assert message in caught.value.message


async def test_a_known_place_without_plans_is_an_empty_list(open_shop: OpenShop) -> None:
    async with open_shop(SMALL) as shop:
        assert await shop.plans(country="GB", duration_days=7) == []
        await shop.control_sandbox("catalogue/withdraw", name="esim_d")
        await shop.sync()
        assert await shop.plans(country="CI") == []


async def test_invalid_filters_are_refused_field_by_field(open_shop: OpenShop) -> None:
    async with open_shop(SMALL) as shop:
        with pytest.raises(Failure) as caught:
            await shop.plans(country=" ", duration_days=0)
        assert caught.value.kind is Kind.INVALID
        assert set(caught.value.fields) == {"filter.country", "filter.duration_days"}


@pytest.mark.parametrize("field", ["min_price", "max_price"])
async def test_a_price_in_another_currency_is_refused(open_shop: OpenShop, field: str) -> None:
    async with open_shop(SMALL) as shop:
        with pytest.raises(Failure, match="must be in USD") as caught:
            await shop.plans(**{field: money.to_proto(Decimal(1), "GBP")})
        assert set(caught.value.fields) == {f"filter.{field}"}


@pytest.mark.parametrize("size", [-1, 10_001])
async def test_page_sizes_are_limited(open_shop: OpenShop, size: int) -> None:
    async with open_shop(SMALL) as shop:
        with pytest.raises(Failure) as caught:
            await shop.call("ListPlans", pb.ListPlansRequest(page_size=size))
        assert set(caught.value.fields) == {"page_size"}


async def test_an_unknown_sort_order_is_refused(open_shop: OpenShop) -> None:
    async with open_shop(SMALL) as shop:
        request = pb.ListPlansRequest()
        request.order_by = 99  # type: ignore[assignment]
        with pytest.raises(Failure) as caught:
            await shop.call("ListPlans", request)
        assert set(caught.value.fields) == {"order_by"}
