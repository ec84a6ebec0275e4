"""The arguments `currency` and `locale`: every query passes them on, and no cache mixes their answers."""

import asyncio
from typing import Any

import pytest

from kit.errors import invalid
from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from tests.fixtures.answers.plans import ids, plan
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ESIM_ID, esim
from tests.fixtures.patience import until
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.prices.price_lists import DOLLARS, LISTS, YEN, set_lists

# Queries by the catalogue's method, with %s for the arguments after another one.
QUERIES = {
    "ListPlans": "{ dataPlans(first: 2%s) { id } }",
    "ListPlans ": "{ plans(first: 2%s) { edges { cursor } } }",
    "GetPlan": '{ dataPlan(id: "x"%s) { id } }',
    "ListFeaturedPlans": "{ featuredPlans(first: 2%s) { id } }",
    "ListRegions": "{ regions%s { name } }",
    "ListCountries": '{ countries(region: "Europe"%s) { planCount } }',
    "GetPlanFacets": "{ dataPlanFacets(filter: {}%s) { total } }",
}
RESPONSES: dict[str, Any] = {
    "ListPlans": catalogue_pb2.ListPlansResponse(),
    "GetPlan": catalogue_pb2.GetPlanResponse(plan=plan()),
    "ListFeaturedPlans": catalogue_pb2.ListFeaturedPlansResponse(),
    "ListRegions": catalogue_pb2.ListRegionsResponse(),
    "ListCountries": catalogue_pb2.ListCountriesResponse(),
    "GetPlanFacets": catalogue_pb2.GetPlanFacetsResponse(),
}


def with_arguments(query: str, arguments: str) -> str:
    """Insert arguments after another one, or as the only ones."""
    if "(" not in query:
        return query % (f"({arguments})" if arguments else "")
    return query % (f", {arguments}" if arguments else "")


@pytest.mark.parametrize("method", QUERIES)
@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        ('currency: "JPY", locale: "pt-BR"', ("JPY", "pt-BR")),
        ("currency: null, locale: null", ("", "")),
        ("", ("", "")),
    ],
)
async def test_every_query_of_plans_passes_currency_and_locale(
    gateway: Gateway, method: str, arguments: str, passed: tuple[str, str]
) -> None:
    gateway.catalogue.answers |= RESPONSES
    answer = await gateway.client.ask(with_arguments(QUERIES[method], arguments))
    assert answer.data
    (request,) = gateway.catalogue.requests
    assert (request.currency, request.locale) == passed
    assert gateway.catalogue.calls == {method.strip(): 1}


async def test_top_ups_take_one_call_for_each_currency(gateway: Gateway, ann: Client) -> None:
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse(
        esims=[esim(id_) for id_ in ids(3)]
    )
    gateway.catalogue.answers["BatchListTopUpPlans"] = lambda request: (
        catalogue_pb2.BatchListTopUpPlansResponse(
            top_ups=[
                catalogue_pb2.TopUpPlans(plan_id=plan_id, plans=[plan(title=request.currency)])
                for plan_id in request.plan_ids
            ]
        )
    )
    answer = await ann.ask(
        """{ myESIMs(first: 3) {
               yen: topUpPlans(first: 2, currency: "JPY", locale: "ja") { title }
               dinars: topUpPlans(first: 2, currency: "KWD") { title }
               default: topUpPlans(first: 2) { title } } }"""
    )
    assert (
        answer.data["myESIMs"]
        == [{"yen": [{"title": "JPY"}], "dinars": [{"title": "KWD"}], "default": [{"title": ""}]}]
        * 3
    )
    assert sorted((one.currency, one.locale) for one in gateway.catalogue.requests) == [
        ("", ""),
        ("JPY", "ja"),
        ("KWD", ""),
    ]


async def test_an_unknown_currency_is_bad_input(gateway: Gateway, ann: Client) -> None:
    text = "must be USD or JPY; omit it for prices in USD"
    gateway.catalogue.answers["ListPlans"] = invalid({"currency": text}, reason="UNKNOWN_CURRENCY")
    gateway.catalogue.answers["BatchListTopUpPlans"] = gateway.catalogue.answers["ListPlans"]
    gateway.esims.answers["GetESIM"] = esims_pb2.GetESIMResponse(esim=esim())
    answer = await gateway.client.ask('{ dataPlans(currency: "XXX") { id } }')
    nested = await ann.ask(
        'query($id: ID!) { esimDetails(id: $id) { topUpPlans(currency: "XXX") { id } } }',
        id=ESIM_ID,
    )
    for one in (answer, nested):
        assert one.error["message"] == f"currency: {text}"
        assert one.error["extensions"] == {
            "code": "BAD_USER_INPUT",
            "reason": "UNKNOWN_CURRENCY",
            "fields": {"currency": text},
        }


async def test_a_plan_shows_its_tax(gateway: Gateway) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse(
        plans=[plan(1, tax_rate="19", price_includes_tax=True), plan(2, tax_rate="5"), plan(3)]
    )
    answer = await gateway.client.ask("{ dataPlans(first: 3) { priceIncludesTax taxRate } }")
    assert answer.data["dataPlans"] == [
        {"priceIncludesTax": True, "taxRate": "19"},
        {"priceIncludesTax": False, "taxRate": "5"},
        {"priceIncludesTax": False, "taxRate": None},
    ]


LISTED = """query($currency: String) {
    dataPlans(first: 3, orderBy: PRICE_ASC, currency: $currency) { name priceExact currency }
    featuredPlans(first: 2, currency: $currency) { priceExact currency }
    plans(first: 2, currency: $currency) { edges { node { priceExact currency } } totalCount }
    regions(currency: $currency) { lowestPrice currency }
    countries(currency: $currency) { lowestPrice currency }
    dataPlanFacets(currency: $currency) { priceRange { lowest highest currency } } }"""


def currencies(data: Any) -> set[str]:
    if isinstance(data, dict):
        found = {data["currency"]} if "currency" in data else set()
        return found.union(*map(currencies, data.values()))
    return set().union(*map(currencies, data)) if isinstance(data, list) else set()


async def test_no_cache_mixes_currencies(platform: Platform, databases: Databases) -> None:
    await set_lists(databases.admin, LISTS)
    async with platform.another(response_cache_seconds=60) as caching:
        for client in (caching, platform.client):
            # Equal operations at once share calls, and repeated ones come from the cache.
            asked = ["JPY", "USD", "KWD", None] * 4
            answers = await asyncio.gather(
                *(client.ask(LISTED, currency=currency) for currency in asked)
            )
            again = [await client.ask(LISTED, currency=currency) for currency in asked]
            for currency, answer in zip(asked * 2, (*answers, *again), strict=True):
                assert currencies(answer.data) == {currency or "USD"}
            by_currency = dict(zip(asked, answers, strict=False))
            assert by_currency["USD"].data == by_currency[None].data
            # Literals instead of variables.
            for currency in ("JPY", "KWD"):
                query = f'{{ featuredPlans(first: 2, currency: "{currency}") {{ priceExact currency }} }}'
                for _ in range(3):
                    literal = (await client.ask(query)).data["featuredPlans"]
                    assert literal == by_currency[currency].data["featuredPlans"]


async def test_a_cached_answer_ends_with_the_prices_it_shows(
    platform: Platform, databases: Databases
) -> None:
    await set_lists(databases.admin, [DOLLARS, YEN])
    # Longer than the test waits.
    async with platform.another(response_cache_seconds=3_600) as caching:
        before = await caching.ask(LISTED, currency="JPY")
        await set_lists(databases.admin, [YEN])

        async def only_yen() -> bool:
            first, *_ = (await caching.ask("{ regions { currency } }")).data["regions"]
            return bool(first == {"currency": "JPY"})

        await until(only_yen)
        assert (await caching.ask(LISTED, currency="JPY")).data == before.data
        refused = await caching.ask(LISTED, currency="USD")
        assert {error["extensions"]["reason"] for error in refused.body["errors"]} == {
            "UNKNOWN_CURRENCY"
        }


async def test_a_cursor_belongs_to_one_currency(platform: Platform, databases: Databases) -> None:
    await set_lists(databases.admin, LISTS)
    query = """query($currency: String, $after: String) {
      plans(first: 2, orderBy: PRICE_ASC, currency: $currency, after: $after) {
        edges { node { name } } pageInfo { endCursor } } }"""
    first = await platform.client.ask(query, currency="JPY")
    cursor = first.data["plans"]["pageInfo"]["endCursor"]
    for currency in ("KWD", None):
        other = await platform.client.ask(query, currency=currency, after=cursor)
        assert other.error["extensions"]["reason"] == "INVALID_CURSOR"
    second = await platform.client.ask(query, currency="JPY", after=cursor)
    whole = await platform.client.ask(
        '{ dataPlans(first: 4, orderBy: PRICE_ASC, currency: "JPY") { name } }'
    )
    pages = [edge["node"] for page in (first, second) for edge in page.data["plans"]["edges"]]
    assert pages == whole.data["dataPlans"]


async def test_plans_of_orders_esims_and_bundles_show_the_default_list(
    platform: Platform, databases: Databases
) -> None:
    ann = await platform.customer("ann@example.com")
    await platform.buy(ann)
    await set_lists(databases.admin, [YEN, DOLLARS])
    answer = await ann.ask(
        """{ myOrders { dataPlan { currency } }
             myESIMs { plan { currency } bundles { plan { currency } }
               topUpPlans(first: 1, currency: "USD") { currency } } }"""
    )
    assert answer.data["myOrders"] == [{"dataPlan": {"currency": "JPY"}}]
    [esim_] = answer.data["myESIMs"]
    assert esim_["plan"] == {"currency": "JPY"}
    assert esim_["bundles"][0]["plan"] == {"currency": "JPY"}
    assert esim_["topUpPlans"] == [{"currency": "USD"}]
