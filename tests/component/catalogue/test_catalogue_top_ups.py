"""Plans that fit an eSIM, plans by name, and filters as people write them, from memory and from SQL."""

from decimal import Decimal
from typing import Any

import pytest

from kit.auth.sessions import ANONYMOUS
from kit.errors import Failure
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue import store
from services.catalogue.list_top_ups import top_ups
from services.catalogue.plan import plan_id
from services.catalogue.price_lists import COSTS
from tests.component.catalogue.conftest import OpenShop, Shop, bundle

PROFILES = [
    bundle("esim_a", 3, "FR", profileName="Profile 1"),
    bundle("esim_b", 9, "FR", "DE", profileName="Profile 1"),
    bundle("esim_c", 1, "JP", profileName="Profile 1"),
    bundle("esim_d", 2, "FR", profileName="Profile 2"),
    bundle("esim_e", 2, "FR", profileName=""),
    bundle("esim_f", 4, "GB", days=7, profileName="Profile 2"),
]


async def fitting(shop: Shop, *names: str, first: int = 10) -> dict[str, list[str]]:
    """Return the names of the plans that fit an eSIM, for each plan it may have come with."""
    ids = {str(plan_id(name)): name for name in names}
    request = pb.BatchListTopUpPlansRequest(plan_ids=list(ids), page_size=first)
    answer = await shop.call("BatchListTopUpPlans", request)
    return {ids[found.plan_id]: [plan.name for plan in found.plans] for found in answer.top_ups}


async def test_top_ups_of_the_same_profile_are_sorted_by_match_and_price(
    open_shop: OpenShop,
) -> None:
    async with open_shop(PROFILES) as shop:
        assert await fitting(shop, "esim_a", "esim_b", "esim_d", "esim_unknown") == {
            "esim_a": ["esim_a", "esim_b", "esim_c"],
            "esim_b": ["esim_b", "esim_c", "esim_a"],
            "esim_d": ["esim_d", "esim_f"],
        }
        assert await fitting(shop, "esim_a", first=1) == {"esim_a": ["esim_a"]}
        # Without a profile only the same plan is known to fit.
        assert await fitting(shop, "esim_e") == {"esim_e": ["esim_e"]}
        await shop.hide("esim_a")
        await shop.hide("esim_e")
        assert await fitting(shop, "esim_a", "esim_e") == {
            "esim_a": ["esim_b", "esim_c"],
            "esim_e": [],
        }


async def test_memory_and_database_give_the_same_top_ups(open_shop: OpenShop) -> None:
    async with (
        open_shop(PROFILES) as shop,
        shop.databases.open("catalogue") as database,
        database.session(ANONYMOUS) as connection,
    ):
        for name in "abdef":
            (plan,) = await store.plans_by_ids(connection, COSTS, [plan_id(f"esim_{name}")])
            found = await top_ups(connection, COSTS, plan, None, 10)
            named = {
                row.id: row.bundle.name
                for row in await store.plans_by_ids(connection, COSTS, [p for p, _ in found])
            }
            assert {f"esim_{name}": [named[p] for p, _ in found]} == await fitting(
                shop, f"esim_{name}"
            )


async def test_many_plans_are_read_by_id_and_name_in_one_call(open_shop: OpenShop) -> None:
    async with open_shop(PROFILES) as shop:
        request = pb.BatchGetPlansRequest(
            ids=[str(plan_id("esim_a"))], names=["esim_a", "esim_b", "ESIM_C"]
        )
        answer = await shop.call("BatchGetPlans", request)
        assert sorted(plan.name for plan in answer.plans) == ["esim_a", "esim_b"]
        by_name = await shop.call("BatchGetPlans", pb.BatchGetPlansRequest(names=["esim_d"]))
        assert [plan.name for plan in by_name.plans] == ["esim_d"]
        for bad in (pb.BatchGetPlansRequest(), pb.BatchGetPlansRequest(names=[""])):
            with pytest.raises(Failure, match="INVALID_ARGUMENT"):
                await shop.call("BatchGetPlans", bad)


@pytest.mark.parametrize(
    ("conditions", "letters"),
    [
        ({"country": "UK"}, "f"),
        ({"country": "Great Britain"}, "f"),
        ({"countries": ["FRA", "Germany"]}, "b"),
        ({"countries": ["fr"]}, "abde"),
        ({"countries": ["fr", "FRA"], "single_country": True}, "ade"),
        ({"country": "DE", "countries": ["FR"], "single_country": False}, "b"),
        ({"min_duration_days": 8}, "abcde"),
        ({"max_duration_days": 29}, "f"),
        ({"min_duration_days": 7, "max_duration_days": 7}, "f"),
    ],
)
async def test_filters_accept_countries_by_code_or_name_and_ranges_of_days(
    open_shop: OpenShop, conditions: dict[str, Any], letters: str
) -> None:
    async with open_shop(PROFILES) as shop:
        assert [p.name for p in await shop.plans(**conditions)] == [f"esim_{x}" for x in letters]


@pytest.mark.parametrize(
    ("conditions", "field"),
    [
        ({"countries": ["FR", "Frnace"]}, "filter.countries"),
        ({"countries": [""]}, "filter.countries[0]"),
        ({"countries": ["FR"] * 51}, "filter.countries"),
        ({"min_duration_days": 0}, "filter.min_duration_days"),
        ({"min_duration_days": 8, "max_duration_days": 7}, "filter.max_duration_days"),
    ],
)
async def test_invalid_conditions_are_refused_by_name(
    open_shop: OpenShop, conditions: dict[str, Any], field: str
) -> None:
    async with open_shop(PROFILES) as shop:
        with pytest.raises(Failure) as caught:
            await shop.plans(**conditions)
        assert set(caught.value.fields) == {field}


async def test_a_plan_has_title_profile_fair_use_and_countries(open_shop: OpenShop) -> None:
    group = ["Standard Unlimited Lite"]
    async with open_shop([*PROFILES, bundle("esim_u", 9, "GB", data=-1, groups=group)]) as shop:
        plan = await shop.plan("esim_u")
        assert (plan.title, plan.profile_name) == (
            "United Kingdom, unlimited, 30 days",
            "Profile 1",
        )
        assert (plan.fair_use.daily_mb, plan.fair_use.throttle_kbps) == (1000, 512)
        [country] = plan.countries
        assert (country.iso, country.iso3, country.flag) == ("GB", "GBR", "🇬🇧")
        assert not (await shop.plan("esim_a")).HasField("fair_use")
        assert Decimal(plan.price.units) == 9
