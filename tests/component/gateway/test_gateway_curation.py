"""Networks, images, badges and texts of plans in GraphQL, and the mutations that set them."""

from typing import Any

import pytest

from kit.errors import Failure, Kind, invalid
from protos.catalogue.v1 import catalogue_pb2
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import PLAN
from tests.fixtures.patience import until
from tests.fixtures.platform import Platform
from tests.fixtures.sandboxes import Auth

TEXTS = (
    "mutation ($id: ID!, $highlights: [String!]) { setPlanTexts(planId: $id, locale: "
    '"de", name: "Paris", highlights: $highlights) { success code error plan { title highlights } } }'
)
DISPLAY = (
    'mutation ($id: ID!) { setPlanDisplay(planId: $id, imageUrl: "https://shop.example/a.png",'
    ' badges: ["New"]) { success code error plan { imageUrl badges } } }'
)
ORANGE = catalogue_pb2.Network(
    name="Orange France", brand="Orange", mcc="208", mnc="01", speeds=["4G", "5G"]
)
ODD = catalogue_pb2.Network(name="Odd", brand="Odd")
NETWORKS = catalogue_pb2.BatchListNetworksResponse(
    countries=[
        catalogue_pb2.CountryNetworks(iso="FR", networks=[ORANGE, ODD]),
        catalogue_pb2.CountryNetworks(iso="DE", networks=[ORANGE]),
    ]
)
NESTED = (
    "{ dataPlans(first: 2) { imageUrl badges highlights"
    " networks { iso networks { name } } countries { iso networks { brand mcc mnc speeds } } } }"
)


def plan(*isos: str, **fields: Any) -> catalogue_pb2.DataPlan:
    return catalogue_pb2.DataPlan(
        id=PLAN.id,
        name="esim",
        countries=[catalogue_pb2.Country(name=iso, iso=iso) for iso in isos],
        **fields,
    )


@pytest.fixture
async def administrator(gateway: Gateway, auth: Auth) -> Client:
    return gateway.client.signed_in(await auth.token("root@example.com", admin=True))


@pytest.fixture
def listed(gateway: Gateway) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse(
        plans=[
            plan("FR", "DE", image_url="https://shop.example/a.png", badges=["New"]),
            plan("FR", "AQ", highlights=["5G"]),
        ]
    )
    gateway.catalogue.answers["BatchListNetworks"] = NETWORKS


@pytest.mark.usefixtures("listed")
async def test_networks_of_plans_and_countries_are_one_call(gateway: Gateway) -> None:
    first, second = (await gateway.client.ask(NESTED)).data["dataPlans"]
    assert first["imageUrl"] == "https://shop.example/a.png"
    assert (first["badges"], first["highlights"]) == (["New"], [])
    assert (second["imageUrl"], second["highlights"]) == (None, ["5G"])
    assert first["networks"] == [
        {"iso": "FR", "networks": [{"name": "Orange France"}, {"name": "Odd"}]},
        {"iso": "DE", "networks": [{"name": "Orange France"}]},
    ]
    assert second["networks"][1] == {"iso": "AQ", "networks": []}
    france, nowhere = second["countries"]
    assert france == {
        "iso": "FR",
        "networks": [
            {"brand": "Orange", "mcc": "208", "mnc": "01", "speeds": ["4G", "5G"]},
            {"brand": "Odd", "mcc": None, "mnc": None, "speeds": []},
        ],
    }
    assert nowhere == {"iso": "AQ", "networks": []}
    assert gateway.catalogue.calls == {"ListPlans": 1, "BatchListNetworks": 1}
    assert sorted(gateway.catalogue.requests[-1].isos) == ["AQ", "DE", "FR"]


@pytest.mark.usefixtures("listed")
async def test_plans_are_answered_while_networks_are_unavailable(gateway: Gateway) -> None:
    gateway.catalogue.answers["BatchListNetworks"] = Failure(Kind.UNAVAILABLE, "DOWN", "Down")
    answer = await gateway.client.ask("{ dataPlans { badges networks { iso } } }")
    assert answer.body["data"]["dataPlans"][0] == {"badges": ["New"], "networks": None}
    assert {error["extensions"]["code"] for error in answer.body["errors"]} == {"UNAVAILABLE"}


@pytest.mark.usefixtures("listed")
async def test_networks_are_public_and_cached(gateway: Gateway) -> None:
    async with gateway.another(response_cache_seconds=60) as client:
        answers = [await client.ask(NESTED) for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert answers[1].headers["Cache-Control"].startswith("public")
    assert gateway.catalogue.calls["BatchListNetworks"] == 1


async def test_cached_answers_are_dropped_when_a_plan_is_curated(platform: Platform) -> None:
    root = platform.client.signed_in(await platform.auth.token("root@example.com", admin=True))
    query = "{ featuredPlans(first: 1) { id badges } }"
    async with platform.another(response_cache_seconds=600) as client:
        [offered] = (await client.ask(query)).data["featuredPlans"]
        assert offered["badges"] == []
        await root.ask(DISPLAY, id=offered["id"])

        async def is_new() -> bool:
            [plan] = (await client.ask(query)).data["featuredPlans"]
            return bool(plan["badges"] == ["New"])

        await until(is_new)


@pytest.mark.parametrize("query", [TEXTS, DISPLAY])
async def test_only_administrators_curate(gateway: Gateway, ann: Client, query: str) -> None:
    for client, code in ((ann, "FORBIDDEN"), (gateway.client, "UNAUTHENTICATED")):
        answer = await client.ask(query, id=PLAN.id)
        assert answer.code == code
        assert list(answer.body["data"].values()) == [None]
    assert not gateway.catalogue.requests


async def test_an_administrator_sets_texts_image_and_badges(
    gateway: Gateway, administrator: Client
) -> None:
    changed = plan(title="Paris", highlights=["5G"], image_url="https://a.example", badges=["New"])
    gateway.catalogue.answers["SetPlanTexts"] = catalogue_pb2.SetPlanTextsResponse(plan=changed)
    gateway.catalogue.answers["SetPlanDisplay"] = catalogue_pb2.SetPlanDisplayResponse(plan=changed)
    texts = await administrator.ask(TEXTS, id=PLAN.id, highlights=["5G"])
    assert texts.data["setPlanTexts"] == {
        "success": True,
        "code": None,
        "error": None,
        "plan": {"title": "Paris", "highlights": ["5G"]},
    }
    display = await administrator.ask(DISPLAY, id=PLAN.id)
    assert display.data["setPlanDisplay"]["plan"] == {
        "imageUrl": "https://a.example",
        "badges": ["New"],
    }
    await administrator.ask(TEXTS, id=PLAN.id)
    first, second, third = gateway.catalogue.requests
    assert (first.plan_id, first.locale, first.name) == (PLAN.id, "de", "Paris")
    assert (first.description, list(first.highlights)) == ("", ["5G"])
    assert (second.image_url, list(second.badges)) == ("https://shop.example/a.png", ["New"])
    assert list(third.highlights) == []


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Failure(Kind.NOT_FOUND, "PLAN_NOT_FOUND", "There is no such plan"), "PLAN_NOT_FOUND"),
        (invalid({"image_url": "must be an HTTPS address"}), "INVALID_ARGUMENT"),
    ],
)
async def test_a_refusal_is_data(
    gateway: Gateway, administrator: Client, failure: Failure, code: str
) -> None:
    gateway.catalogue.answers["SetPlanTexts"] = failure
    gateway.catalogue.answers["SetPlanDisplay"] = failure
    for query, name in ((TEXTS, "setPlanTexts"), (DISPLAY, "setPlanDisplay")):
        result = (await administrator.ask(query, id=PLAN.id)).data[name]
        assert (result["success"], result["plan"], result["code"]) == (False, None, code)
        assert "image_url" not in result["error"]


async def test_plans_are_shown_in_the_language_of_the_query(platform: Platform) -> None:
    client = platform.client
    root = client.signed_in(await platform.auth.token("root@example.com", admin=True))
    query = (
        "query ($locale: String) { countries(locale: $locale) { country { name iso } }"
        ' dataPlans(first: 1, filter: {country: "FR", singleCountry: true}, locale: $locale) {'
        " id title countries { name } } }"
    )
    for locale, france, ending in (
        ("de-AT", "Frankreich", " Tage"),
        ("ja", "フランス", " 日"),
        ("pt-BR", "França", " dias"),
        ("xx", "France", " days"),
        (None, "France", " days"),
    ):
        found = (await client.ask(query, locale=locale)).data
        [plan] = found["dataPlans"]
        assert plan["title"].startswith(f"{france}, ")
        assert plan["title"].endswith(ending)
        assert plan["countries"] == [{"name": france}]
        assert {"country": {"name": france, "iso": "FR"}} in found["countries"]
    refused = await client.ask(query, locale="de DE")
    assert refused.body["errors"][0]["extensions"]["fields"] == {
        "locale": "must be a BCP 47 code, such as de or pt-BR"
    }
    named = (await root.ask(TEXTS, id=plan["id"])).data["setPlanTexts"]
    assert named["plan"]["title"] == "Paris"

    async def is_named() -> bool:
        """Wait until the response cache is cleared."""
        [plan] = (await client.ask(query, locale="de")).data["dataPlans"]
        return bool(plan["title"] == "Paris")

    await until(is_named)
    [plan] = (await client.ask(query, locale="fr")).data["dataPlans"]
    assert plan["title"].startswith("France, ")


async def test_a_shop_shows_what_an_administrator_set(platform: Platform) -> None:
    client = platform.client
    root = client.signed_in(await platform.auth.token("root@example.com", admin=True))
    [offered] = (await client.ask("{ featuredPlans(first: 1) { id } }")).data["featuredPlans"]
    shown = (await root.ask(DISPLAY, id=offered["id"])).data["setPlanDisplay"]
    assert shown["plan"] == {"imageUrl": "https://shop.example/a.png", "badges": ["New"]}
    query = "{ featuredPlans(first: 1) { badges networks { networks { name speeds } } } }"

    async def has_all() -> bool:
        """Wait until the response cache is cleared, and the networks are read."""
        [plan] = (await client.ask(query)).data["featuredPlans"]
        return plan["badges"] == ["New"] and all(one["networks"] for one in plan["networks"])

    await until(has_all)
