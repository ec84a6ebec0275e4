"""Texts, images and badges that administrators set, and the languages that plans are shown in."""

import json
from typing import Any

import asyncpg
import pytest

from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue import plan_cache
from services.catalogue.plan import plan_id
from tests.component.catalogue.conftest import FOUR, OpenShop, Shop
from tests.component.catalogue.market import as_user

A = str(plan_id("esim_a"))
IMAGE = "https://shop.example/paris.png"


async def set_texts(shop: Shop, locale: str, **texts: Any) -> pb.DataPlan:
    request = pb.SetPlanTextsRequest(plan_id=A, locale=locale, **texts)
    token = await shop.auth.token("admin@example.com", admin=True)
    return (await shop.call("SetPlanTexts", request, token)).plan  # type: ignore[no-any-return]


async def set_display(shop: Shop, **display: Any) -> pb.DataPlan:
    request = pb.SetPlanDisplayRequest(plan_id=A, **display)
    token = await shop.auth.token("admin@example.com", admin=True)
    return (await shop.call("SetPlanDisplay", request, token)).plan  # type: ignore[no-any-return]


async def listed(shop: Shop, locale: str) -> pb.DataPlan:
    """Return the plan as lists show it, which come from a cache."""
    request = pb.ListPlansRequest(locale=locale, page_size=1)
    [plan] = (await shop.call("ListPlans", request)).plans
    return plan  # type: ignore[no-any-return]


async def revision(shop: Shop) -> int:
    return int(await shop.databases.admin.fetchval("select number from catalogue.revision"))


async def test_texts_fall_back_from_locale_to_language_to_english(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await set_texts(shop, "de", name="Paris", description="Deutsch", highlights=["Schnell"])
        await set_texts(shop, "de-AT", name="Paris, bitte")
        await set_texts(shop, "en", name="Paris Special", description="English")
        expected = {
            "de-AT": ("Paris, bitte", "Deutsch", ["Schnell"]),
            "de-CH": ("Paris", "Deutsch", ["Schnell"]),
            "de": ("Paris", "Deutsch", ["Schnell"]),
            # A generated title in the requested language, and the English description.
            "fr": ("France, 1\u202fGo, 10\xa0jours", "English", []),
            "en-GB": ("Paris Special", "English", []),
            "": ("Paris Special", "English", []),
            "xx": ("Paris Special", "English", []),
        }
        for _ in range(2):  # from the database, and from the cache
            for locale, texts in expected.items():
                plan = await listed(shop, locale)
                assert (plan.title, plan.description, list(plan.highlights)) == texts
                one = await shop.call("GetPlan", pb.GetPlanRequest(id=A, locale=locale))
                assert one.plan == plan


async def test_a_change_is_shown_at_once_and_raises_the_revision(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        before = await listed(shop, "de")
        assert before.title == "Frankreich, 1\xa0GB, 10 Tage"
        number = await revision(shop)
        changed = await set_texts(shop, "de", name="Paris")
        assert changed == await listed(shop, "de")
        assert changed.title == "Paris"
        assert changed.updated_at.ToDatetime() > before.updated_at.ToDatetime()
        assert await revision(shop) > number

        number = await revision(shop)
        shown = await set_display(shop, image_url=IMAGE, badges=["Bestseller"])
        assert shown == await listed(shop, "en")
        assert (shown.image_url, list(shown.badges)) == (IMAGE, ["Bestseller"])
        assert await revision(shop) > number

        # Without texts, those made from the provider's data are shown again.
        assert (await set_texts(shop, "de")).title == before.title
        cleared = await set_display(shop)
        assert (cleared.image_url, list(cleared.badges)) == ("", [])
        assert (await listed(shop, "de")).title == before.title
        for table in ("plan_texts", "plan_displays"):
            count = await shop.databases.admin.fetchval(f"select count(*) from catalogue.{table}")  # noqa: S608 - constants
            assert count == 0


async def test_every_list_of_plans_is_in_the_requested_language(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        batch = pb.BatchGetPlansRequest(ids=[A], locale="de")
        top_ups = pb.BatchListTopUpPlansRequest(plan_ids=[A], page_size=1, locale="de")
        found = [
            (await shop.call("BatchGetPlans", batch)).plans[0],
            (await shop.call("BatchListTopUpPlans", top_ups)).top_ups[0].plans[0],
            (await shop.call("ListFeaturedPlans", pb.ListFeaturedPlansRequest(locale="de"))).plans[
                0
            ],
        ]
        for plan in found:
            assert plan.title.endswith(" Tage")
            assert plan.countries[0].name in ("Frankreich", "Japan")
            assert plan.countries[0].region in ("Europe", "Asia")  # values of a filter
        countries = await shop.call("ListCountries", pb.ListCountriesRequest(locale="de"))
        names = ["Deutschland", "Frankreich", "Japan", "Vereinigte Staaten"]
        assert [row.country.name for row in countries.countries] == names
        facets = await shop.call("GetPlanFacets", pb.GetPlanFacetsRequest(locale="de"))
        assert [row.country.name for row in facets.countries] == names
        english = await shop.call("ListCountries", pb.ListCountriesRequest())
        assert english.countries[0].country.name == "France"
        regions = await shop.call("ListRegions", pb.ListRegionsRequest(locale="de"))
        assert [row.name for row in regions.regions][:2] == ["Asia", "Europe"]


async def test_a_full_cache_drops_the_languages_that_were_not_used_for_longest(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_cache, "MAX_MESSAGES", 10)  # four plans in two languages
    days = {"en": "days", "de": "Tage", "fr": "jours", "pt": "dias", "ja": "日"}
    async with open_shop(FOUR) as shop:
        for locale in [*days, *days, "en", "en"]:
            answer = await shop.call("ListPlans", pb.ListPlansRequest(locale=locale))
            assert len(answer.plans) == len(FOUR)
            assert all(plan.title.endswith(days[locale]) for plan in answer.plans)


async def test_a_malformed_locale_is_refused_by_every_method(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        for method, request in {
            "ListPlans": pb.ListPlansRequest(locale="de DE"),
            "GetPlan": pb.GetPlanRequest(id=A, locale="de DE"),
            "BatchGetPlans": pb.BatchGetPlansRequest(ids=[A], locale="de DE"),
            "BatchListTopUpPlans": pb.BatchListTopUpPlansRequest(plan_ids=[A], locale="de DE"),
            "ListFeaturedPlans": pb.ListFeaturedPlansRequest(locale="de DE"),
            "ListRegions": pb.ListRegionsRequest(locale="de DE"),
            "ListCountries": pb.ListCountriesRequest(locale="de DE"),
            "GetPlanFacets": pb.GetPlanFacetsRequest(locale="de DE"),
        }.items():
            with pytest.raises(Failure) as caught:
                await shop.call(method, request)
            assert (caught.value.kind, list(caught.value.fields)) == (Kind.INVALID, ["locale"])


async def test_bad_values_and_unknown_plans_change_nothing(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        number = await revision(shop)
        key = shop.auth.service_role_key
        unknown = str(plan_id("esim_z"))
        for method, request, kind in (
            ("SetPlanTexts", pb.SetPlanTextsRequest(plan_id=A, locale="xx"), Kind.INVALID),
            ("SetPlanTexts", pb.SetPlanTextsRequest(plan_id=unknown, locale="de"), Kind.NOT_FOUND),
            ("SetPlanDisplay", pb.SetPlanDisplayRequest(plan_id=A, image_url="/a"), Kind.INVALID),
            ("SetPlanDisplay", pb.SetPlanDisplayRequest(plan_id=unknown), Kind.NOT_FOUND),
        ):
            with pytest.raises(Failure) as caught:
                await shop.call(method, request, key)
            assert caught.value.kind is kind
        assert await revision(shop) == number


@pytest.mark.parametrize("claims", [{}, {"sub": "u"}, {"role": "admin"}])
async def test_row_security_lets_only_administrators_curate(
    open_shop: OpenShop, claims: dict[str, Any]
) -> None:
    async with open_shop(FOUR) as shop:
        await set_texts(shop, "de", name="Paris")
        await set_display(shop, badges=["New"])
        async with as_user(shop.databases, claims) as connection:
            for table in ("plan_texts", "plan_displays"):
                assert await connection.fetchval(f"select count(*) from catalogue.{table}") == 1  # noqa: S608 - constants
                assert await connection.execute(f"delete from catalogue.{table}") == "DELETE 0"  # noqa: S608 - constants
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(
                    "insert into catalogue.plan_texts (plan_id, locale) values ($1, 'fr')", A
                )
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(
                    "insert into catalogue.networks (country, networks) values ('FR', $1)",
                    json.dumps([]),
                )
