"""Single plans, batches, the front page, regions and countries, and what administrators change."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from kit import exact_json, money
from kit.errors import Failure, Kind
from migrations import runner
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.bundle_json import read_bundle
from services.catalogue.plan import plan_id
from services.catalogue.search import cheapest_by_region
from tests.component.catalogue.conftest import OpenShop, Shop, bundle

FOUR = [
    bundle("esim_a", 2, "FR", days=10),
    bundle("esim_b", 1.5, "FR", "DE", days=5),
    bundle("esim_c", 12.125, "JP", days=30, data=-1, groups=["Standard Unlimited Lite"]),
    bundle("esim_d", 40, "FR", "US", "JP", days=90),
]


async def featured(shop: Shop, size: int = 0) -> list[str]:
    answer = await shop.call("ListFeaturedPlans", pb.ListFeaturedPlansRequest(page_size=size))
    return [plan.name for plan in answer.plans]


async def choose(shop: Shop, *names: str) -> pb.SetFeaturedPlansResponse:
    request = pb.SetFeaturedPlansRequest(plan_ids=[str(plan_id(name)) for name in names])
    token = await shop.auth.token("admin@example.com", admin=True)
    answer: pb.SetFeaturedPlansResponse = await shop.call("SetFeaturedPlans", request, token)
    return answer


async def hide(shop: Shop, name: str, *, hidden: bool = True) -> pb.DataPlan:
    request = pb.SetPlanHiddenRequest(plan_id=str(plan_id(name)), hidden=hidden)
    token = await shop.auth.token("admin@example.com", admin=True)
    answer: pb.SetPlanHiddenResponse = await shop.call("SetPlanHidden", request, token)
    return answer.plan


async def test_a_plan_has_everything_that_the_provider_says(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        plan = await shop.plan("esim_c")
        assert plan.updated_at.seconds > 0
        plan.ClearField("updated_at")
        assert plan == pb.DataPlan(
            id=str(plan_id("esim_c")),
            name="esim_c",
            description="eSIM, esim_c",
            region="Asia",
            countries=[pb.Country(name="Japan", iso="JP", region="Asia")],
            duration_days=30,
            price=money.to_proto(Decimal("12.125"), "USD"),
            unlimited=True,
            bundle_group="Standard Unlimited Lite",
            features=[
                "5G",
                "Unlimited data",
                "Throttled to 512 kbps after 1GB a day",
                "Starts at first use",
            ],
            available_quantity=10,
            allowances=[
                pb.Allowance(
                    type="DATA", service="STANDARD", description="Data", unit="MB", unlimited=True
                )
            ],
            profile_name="Profile 1",
            speeds=["4G", "5G"],
        )
        by_id = await shop.call("GetPlan", pb.GetPlanRequest(id=str(plan_id("esim_c"))))
        assert by_id.plan.name == "esim_c"


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (pb.GetPlanRequest(id=str(uuid4())), Kind.NOT_FOUND),
        (pb.GetPlanRequest(name="ESIM_A"), Kind.NOT_FOUND),  # names are case-sensitive
        (pb.GetPlanRequest(id="esim_a"), Kind.INVALID),
        (pb.GetPlanRequest(name=" "), Kind.INVALID),
        (pb.GetPlanRequest(name="a\x00b"), Kind.INVALID),
        (pb.GetPlanRequest(), Kind.INVALID),
    ],
)
async def test_a_plan_that_is_not_there_or_not_named(
    open_shop: OpenShop, request_: pb.GetPlanRequest, kind: Kind
) -> None:
    async with open_shop(FOUR) as shop:
        with pytest.raises(Failure) as caught:
            await shop.call("GetPlan", request_)
        assert caught.value.kind is kind


async def test_a_batch_leaves_unknown_plans_out_and_keeps_withdrawn_ones(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        await shop.tell_sandbox("catalogue/withdraw", name="esim_a")
        await shop.sync()
        ids = [str(plan_id("esim_a")), str(uuid4()), str(plan_id("esim_b"))]
        answer = await shop.call("BatchGetPlans", pb.BatchGetPlansRequest(ids=[*ids, *ids]))
        assert {plan.name: plan.withdrawn for plan in answer.plans} == {
            "esim_a": True,
            "esim_b": False,
        }


@pytest.mark.parametrize("ids", [[], [str(uuid4())] * 1001, ["not an id"]])
async def test_a_batch_has_bounds(open_shop: OpenShop, ids: list[str]) -> None:
    async with open_shop(FOUR) as shop:
        with pytest.raises(Failure) as caught:
            await shop.call("BatchGetPlans", pb.BatchGetPlansRequest(ids=ids))
        assert caught.value.kind is Kind.INVALID


async def test_the_rule_features_the_cheapest_a_day_of_each_region(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        # Europe has two plans; Asia and Global one each.
        assert await featured(shop) == ["esim_a", "esim_c", "esim_d"]
        assert await featured(shop, 1) == ["esim_a"]


async def test_the_rule_over_rows_is_the_rule_over_values(
    open_shop: OpenShop, tmp_path: Path
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


async def test_an_administrator_s_choice_comes_first_in_its_order(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        chosen = await choose(shop, "esim_d", "esim_b")
        assert [plan.name for plan in chosen.plans] == ["esim_d", "esim_b"]
        assert await featured(shop) == ["esim_d", "esim_b"]
        await choose(shop, "esim_b", "esim_d", "esim_a")
        assert await featured(shop, 2) == ["esim_b", "esim_d"]
        await choose(shop)
        assert await featured(shop) == ["esim_a", "esim_c", "esim_d"]


async def test_a_chosen_plan_off_sale_is_not_shown(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await choose(shop, "esim_d", "esim_b")
        await hide(shop, "esim_d")
        assert await featured(shop) == ["esim_b"]
        await hide(shop, "esim_b")
        assert await featured(shop) == ["esim_c", "esim_a"]  # one plan each: regions by name


async def test_unknown_plans_can_not_be_featured_and_change_nothing(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await choose(shop, "esim_b")
        with pytest.raises(Failure) as caught:
            await choose(shop, "esim_a", "esim_x")
        assert caught.value.kind is Kind.NOT_FOUND
        assert str(plan_id("esim_x")) in caught.value.message
        assert str(plan_id("esim_a")) not in caught.value.message
        assert await featured(shop) == ["esim_b"]


async def test_no_plan_is_featured_twice_nor_51_plans(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        for names in (["esim_a", "esim_a"], [f"esim_{number}" for number in range(51)]):
            with pytest.raises(Failure) as caught:
                await choose(shop, *names)
            assert set(caught.value.fields) == {"plan_ids"}


async def test_a_hidden_plan_is_off_sale_until_it_is_put_back(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        hidden = await hide(shop, "esim_a")
        assert (hidden.hidden, hidden.available_quantity) == (True, 0)
        await shop.sync()  # the provider still sells it, which changes nothing here
        assert "esim_a" not in [plan.name for plan in await shop.plans()]
        assert (await shop.plan("esim_a")).hidden
        back = await hide(shop, "esim_a", hidden=False)
        assert back.available_quantity == 10
        assert "esim_a" in [plan.name for plan in await shop.plans()]


async def test_hiding_waits_for_a_writer_of_many_plans_without_a_deadlock(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        admin = shop.databases.admin
        async with admin.transaction():
            await admin.execute("update catalogue.data_plans set price = 1 where name = 'esim_a'")
            hiding = asyncio.ensure_future(hide(shop, "esim_b"))
            while not await admin.fetchval(
                "select exists (select from pg_locks where not granted)"
            ):
                await asyncio.sleep(0.01)
            await admin.execute("update catalogue.data_plans set price = 1 where name = 'esim_b'")
        assert (await hiding).hidden


async def test_an_unknown_plan_can_not_be_hidden(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        with pytest.raises(Failure) as caught:
            await hide(shop, "esim_x")
        assert caught.value.reason == "PLAN_NOT_FOUND"


async def test_only_administrators_list_what_is_off_sale(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await hide(shop, "esim_a")
        request = pb.ListPlansRequest(filter=pb.PlanFilter(include_unavailable=True))
        for token in (None, await shop.auth.token("ada@example.com")):
            with pytest.raises(Failure) as caught:
                await shop.call("ListPlans", request, token)
            assert caught.value.kind is Kind.FORBIDDEN
        token = await shop.auth.token("admin@example.com", admin=True)
        assert (await shop.call("ListPlans", request, token)).total_size == 4


async def test_regions_and_countries_count_what_is_on_sale(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await hide(shop, "esim_a")
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


async def test_overviews_follow_every_change(open_shop: OpenShop) -> None:
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
        await shop.tell_sandbox("catalogue/price", name="esim_b", price=0.5)
        await shop.sync()
        assert await overviews(shop) == (["esim_b", "esim_c", "esim_d"], 2, 7)
        await hide(shop, "esim_c")
        assert await overviews(shop) == (["esim_b", "esim_d"], 1, 6)
        await choose(shop, "esim_d")
        assert await overviews(shop) == (["esim_d"], 1, 6)
        await shop.tell_sandbox("catalogue/withdraw", name="esim_d")
        await shop.sync()
        assert await overviews(shop) == (["esim_b"], 2, 3)


async def test_countries_of_one_region(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        answer = await shop.call("ListCountries", pb.ListCountriesRequest(region="europe"))
        assert [row.country.name for row in answer.countries] == ["France", "Germany"]
        with pytest.raises(Failure, match="UNKNOWN_REGION"):
            await shop.call("ListCountries", pb.ListCountriesRequest(region="Atlantis"))


async def test_sample_plans_are_as_a_reading_would_write_them(open_shop: OpenShop) -> None:
    async with open_shop(FOUR, read=False) as shop:
        await shop.sync()
        await shop.databases.admin.execute("delete from catalogue.data_plans")
        await runner.seed(shop.databases.admin_url)
        await runner.seed(shop.databases.admin_url)
        samples = await shop.plans()
        assert len(samples) == 10
        assert all(plan.id == str(plan_id(plan.name)) for plan in samples)

        def as_bundle(plan: pb.DataPlan) -> dict[str, object]:
            return {
                "name": plan.name,
                "description": plan.description,
                "groups": [plan.bundle_group],
                "countries": [
                    {"name": c.name, "iso": c.iso, "region": c.region} for c in plan.countries
                ],
                "dataAmount": -1 if plan.unlimited else plan.data_mb,
                "duration": plan.duration_days,
                "speed": list(plan.speeds),
                "autostart": plan.autostart,
                "unlimited": plan.unlimited,
                "price": float(money.from_proto(plan.price)),
                "profileName": plan.profile_name,
                "allowances": [
                    {
                        "type": a.type,
                        "service": a.service,
                        "description": a.description,
                        "amount": a.amount,
                        "unit": a.unit,
                        "unlimited": a.unlimited,
                    }
                    for a in plan.allowances
                ],
            }

        page = json.loads(json.dumps({"bundles": [as_bundle(plan) for plan in samples]}))
        await shop.tell_sandbox("faults", path="/catalogue", status=200, body=page, count=2)
        status = await shop.sync()
        assert (status.error, status.plan_count) == ("", 10)
        assert (status.added, status.changed, status.withdrawn) == (0, 0, 0)
