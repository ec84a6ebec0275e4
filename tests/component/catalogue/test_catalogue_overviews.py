"""Featured plans, regions and countries."""

from decimal import Decimal
from typing import Any

import pytest

from kit.errors import Failure, Kind
from kit.values import exact_json, money
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.plan import plan_id
from services.catalogue.provider_bundle import read_bundle
from services.catalogue.search import cheapest_by_region
from tests.component.catalogue.conftest import FOUR, OpenShop, Shop, bundle


async def featured(shop: Shop, size: int = 0) -> list[str]:
    answer = await shop.call("ListFeaturedPlans", pb.ListFeaturedPlansRequest(page_size=size))
    return [plan.name for plan in answer.plans]


async def choose(shop: Shop, *names: str) -> pb.SetFeaturedPlansResponse:
    request = pb.SetFeaturedPlansRequest(plan_ids=[str(plan_id(name)) for name in names])
    token = await shop.auth.token("admin@example.com", admin=True)
    answer: pb.SetFeaturedPlansResponse = await shop.call("SetFeaturedPlans", request, token)
    return answer


async def test_the_default_features_the_cheapest_plan_per_day_of_each_region(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        assert await featured(shop) == ["esim_a", "esim_c", "esim_d"]
        assert await featured(shop, 1) == ["esim_a"]


async def test_featured_plans_from_sql_match_those_from_the_provider_records(
    open_shop: OpenShop,
) -> None:
    async with open_shop() as shop:
        url, key = shop.settings.provider.base_url, shop.settings.provider.api_key
        rows = []
        for page in (1, 2, 3):
            async with shop.auth.http.get(
                f"{url}/catalogue?perPage=1000&page={page}", headers={"X-API-Key": key}
            ) as answer:
                rows += exact_json.loads(await answer.text())["bundles"]
        best = cheapest_by_region(map(read_bundle, rows), 50)
        assert len(best) > 5
        assert await featured(shop, 50) == [one.name for one in best]


async def test_plans_featured_by_an_administrator_come_first_in_order(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        chosen = await choose(shop, "esim_d", "esim_b")
        assert [plan.name for plan in chosen.plans] == ["esim_d", "esim_b"]
        assert await featured(shop) == ["esim_d", "esim_b"]
        await choose(shop, "esim_b", "esim_d", "esim_a")
        assert await featured(shop, 2) == ["esim_b", "esim_d"]
        await choose(shop)
        assert await featured(shop) == ["esim_a", "esim_c", "esim_d"]


async def test_a_featured_plan_off_sale_is_not_listed(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await choose(shop, "esim_d", "esim_b")
        await shop.hide("esim_d")
        assert await featured(shop) == ["esim_b"]
        await shop.hide("esim_b")
        assert await featured(shop) == ["esim_c", "esim_a"]  # one plan each: regions by name


async def test_featuring_an_unknown_plan_is_refused_and_changes_nothing(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        await choose(shop, "esim_b")
        with pytest.raises(Failure) as caught:
            await choose(shop, "esim_a", "esim_x")
        assert caught.value.kind is Kind.NOT_FOUND
        assert str(plan_id("esim_x")) in caught.value.message
        assert str(plan_id("esim_a")) not in caught.value.message
        assert await featured(shop) == ["esim_b"]


async def test_featuring_a_plan_twice_or_51_plans_is_refused(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        for names in (["esim_a", "esim_a"], [f"esim_{number}" for number in range(51)]):
            with pytest.raises(Failure) as caught:
                await choose(shop, *names)
            assert set(caught.value.fields) == {"plan_ids"}


async def test_regions_and_countries_count_plans_on_sale(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await shop.hide("esim_a")
        regions = await shop.call("ListRegions", pb.ListRegionsRequest())
        assert [
            (region.name, region.plan_count, money.from_proto(region.lowest_price))
            for region in regions.regions
        ] == [
            ("Asia", 2, Decimal("12.125")),
            ("Europe", 2, Decimal("1.5")),
            ("Global", 1, Decimal(40)),
            ("North America", 1, Decimal(40)),
        ]
        countries = await shop.call("ListCountries", pb.ListCountriesRequest())
        assert [
            (row.country.iso, row.plan_count, money.from_proto(row.lowest_price))
            for row in countries.countries
        ] == [
            ("FR", 2, Decimal("1.5")),
            ("DE", 1, Decimal("1.5")),
            ("JP", 2, Decimal("12.125")),
            ("US", 1, Decimal(40)),
        ]


async def test_a_country_with_different_names_and_regions_is_listed_once(
    open_shop: OpenShop,
) -> None:
    def listed(plan_name: str, price: float, **odd: str) -> dict[str, Any]:
        plan = bundle(plan_name, price, "FR")
        return plan | {"countries": [place | odd for place in plan["countries"]]}

    plans = [
        *(listed("esim_a", 3), listed("esim_b", 2)),
        *(
            listed("esim_c", 1, name="FRANCE", region=""),
            listed("esim_d", 4, iso="fr", region="EU"),
        ),
    ]
    async with open_shop(plans) as shop:
        answer = await shop.call("ListCountries", pb.ListCountriesRequest())
        [row] = answer.countries
        assert (row.country.iso, row.country.name, row.country.region) == ("FR", "France", "Europe")
        assert (row.plan_count, money.from_proto(row.lowest_price)) == (4, Decimal(1))
        in_europe = await shop.call("ListCountries", pb.ListCountriesRequest(region="Europe"))
        assert in_europe == answer


async def test_overviews_reflect_every_change(open_shop: OpenShop) -> None:
    async def overviews(shop: Shop) -> tuple[list[str], int, int]:
        regions = await shop.call("ListRegions", pb.ListRegionsRequest())
        countries = await shop.call("ListCountries", pb.ListCountriesRequest())
        return (
            await featured(shop),
            regions.regions[0].plan_count,
            sum(row.plan_count for row in countries.countries),
        )

    async with open_shop(FOUR) as shop:
        assert await overviews(shop) == (["esim_a", "esim_c", "esim_d"], 2, 7)
        await shop.control_sandbox("catalogue/price", name="esim_b", price=0.5)
        await shop.sync()
        assert await overviews(shop) == (["esim_b", "esim_c", "esim_d"], 2, 7)
        await shop.hide("esim_c")
        assert await overviews(shop) == (["esim_b", "esim_d"], 1, 6)
        await choose(shop, "esim_d")
        assert await overviews(shop) == (["esim_d"], 1, 6)
        await shop.control_sandbox("catalogue/withdraw", name="esim_d")
        await shop.sync()
        assert await overviews(shop) == (["esim_b"], 2, 3)


async def test_countries_of_one_region(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        answer = await shop.call("ListCountries", pb.ListCountriesRequest(region="europe"))
        assert [row.country.name for row in answer.countries] == ["France", "Germany"]
        with pytest.raises(Failure, match="UNKNOWN_REGION"):
            await shop.call("ListCountries", pb.ListCountriesRequest(region="Atlantis"))
