"""Plan lists over gRPC: filters compared with a plain loop, sort orders, pages, and invalid filters."""

import json
import random
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from protos.catalogue.v1 import catalogue_pb2 as pb
from tests.component.catalogue.conftest import OpenShop, Shop, bundle
from tests.fixtures.examples import CATALOGUES

SMALL = [
    bundle("esim_a", 1.5, "FR", days=7),
    bundle("esim_b", 1.5, "FR", "DE", days=30, data=5000),
    bundle("esim_c", 12.125, "GB", days=30, data=-1, groups=["Standard Unlimited Lite"]),
    bundle("esim_d", 3, "CI", days=15, data=2000),
    bundle("esim_e", 40, "FR", "US", "JP", days=90, data=20000),
    bundle("esim_f", 0.5, "JP", "US", days=1, data=1000),
]


def parsed(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(), parse_float=Decimal)
    return rows


async def read_file(shop: Shop, path: Path | None) -> list[dict[str, Any]]:
    """Read the bundles that the sandbox sells, from the file or page by page over HTTP."""
    if path is not None:
        return parsed(path)
    url, key = shop.settings.provider.base_url, shop.settings.provider.api_key
    found: list[dict[str, Any]] = []
    for page in range(1, 100):
        async with shop.auth.http.get(
            f"{url}/catalogue?page={page}&perPage=500", headers={"X-API-Key": key}
        ) as answer:
            rows = json.loads(await answer.text(), parse_float=Decimal)["bundles"]
        if not rows:
            break
        found.extend(rows)
    return found


def in_loop(
    rows: list[dict[str, Any]],
    *,
    region: str | None = None,
    country: str | None = None,
    duration_days: int | None = None,
    min_price: Decimal | None = None,
    max_price: Decimal | None = None,
    unlimited: bool | None = None,
    bundle_group: str | None = None,
    text: str | None = None,
    min_data_mb: int | None = None,
    countries: Sequence[str] = (),
    min_duration_days: int | None = None,
    max_duration_days: int | None = None,
    single_country: bool | None = None,
) -> set[str]:
    """Apply the filter with a plain loop."""
    found = set()
    for row in rows:
        places = row["countries"]
        if region and not any(c["region"].lower() == region.lower() for c in places):
            continue
        if country and not any(
            country.lower() in (c["iso"].lower(), c["name"].lower()) for c in places
        ):
            continue
        if not {code.upper() for code in countries} <= {c["iso"] for c in places}:
            continue
        if single_country is not None and single_country != (len(places) == 1):
            continue
        if duration_days and row["duration"] != duration_days:
            continue
        if not (min_duration_days or 0) <= row["duration"] <= (max_duration_days or 10**6):
            continue
        if min_price is not None and row["price"] < min_price:
            continue
        if max_price is not None and row["price"] > max_price:
            continue
        if unlimited is not None and row["unlimited"] != unlimited:
            continue
        if bundle_group and bundle_group not in row["groups"]:
            continue
        if min_data_mb and not row["unlimited"] and row["dataAmount"] < min_data_mb:
            continue
        if text:
            regions = [c["region"] for c in places]
            main = [name for name in regions if 2 * regions.count(name) > len(regions)]
            words = [row["name"], row["description"], *main[:1], *(c["name"] for c in places)]
            if not all(word in plain(" ".join(words)) for word in plain(text).split()):
                continue
        found.add(row["name"])
    return found


def plain(text: str) -> str:
    """Strip case and accents: some descriptions say Reunion for Réunion."""
    return unicodedata.normalize("NFD", text.lower()).encode("ascii", "ignore").decode()


def random_filter(chance: random.Random, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Build a filter from values of real rows, so that many filters match something."""
    some = chance.choice(rows)
    place = chance.choice(some["countries"])
    low, high = sorted(Decimal(row["price"]) for row in (some, chance.choice(rows)))
    changes: list[Callable[[str], str]] = [str, str.lower, str.upper]
    change_case = chance.choice(changes)
    choices: dict[str, Callable[[], Any]] = {
        "region": lambda: change_case(place["region"]),
        "country": lambda: change_case(place[chance.choice(["iso", "name"])]),
        "duration_days": lambda: some["duration"],
        "min_price": lambda: low,
        "max_price": lambda: high,
        "unlimited": lambda: chance.random() < 0.5,
        "bundle_group": lambda: some["groups"][0],
        "text": lambda: chance.choice(["esim_1gb", "1GB eSIM", some["description"].split(",")[3]]),
        "countries": lambda: [change_case(c["iso"]) for c in some["countries"][:2]],
        "min_duration_days": lambda: max(1, some["duration"] - chance.randint(0, 3)),
        "max_duration_days": lambda: some["duration"] + chance.randint(0, 3),
        "single_country": lambda: chance.random() < 0.5,
        "min_data_mb": lambda: chance.choice([1, 1000, 5000, 100_000]),
    }
    names = chance.sample(sorted(choices), chance.randint(1, 3))
    return {name: choices[name]() for name in names}


def to_proto(conditions: dict[str, Any]) -> dict[str, Any]:
    return {
        name: money.to_proto(value, "USD") if isinstance(value, Decimal) else value
        for name, value in conditions.items()
    }


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
        chance = random.Random(5221)
        met = 0
        filters: list[dict[str, Any]] = [
            {"region": "Europe", "duration_days": 30, "max_price": Decimal(100)},
            *(random_filter(chance, rows) for _ in range(200)),
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
        await shop.tell_sandbox("catalogue/withdraw", name="esim_d")
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
