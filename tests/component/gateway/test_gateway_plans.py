"""Plans through the gateway over HTTP, with stand-ins for the services behind it."""

from typing import Any

import pytest

from kit.errors import Failure, Kind, invalid
from protos.catalogue.v1 import catalogue_pb2
from protos.common.v1 import money_pb2
from tests.fixtures.answers.plans import FRANCE, plan
from tests.fixtures.gateway import Client, Gateway, stop_service
from tests.fixtures.sandboxes import Auth


async def test_a_plan_has_every_documented_field(gateway: Gateway) -> None:
    gateway.catalogue.answers["GetPlan"] = catalogue_pb2.GetPlanResponse(plan=plan())
    answer = await gateway.client.ask(
        """query($id: ID!) { dataPlan(id: $id) {
             id name description region countries { name iso region } duration price priceExact
             currency isUnlimited dataMB bundleGroup features availableQuantity } }""",
        id=plan().id,
    )
    assert answer.status == 200
    assert answer.data["dataPlan"] == {
        "id": plan().id,
        "name": "esim_1GB_7D_FR_V1",
        "description": "1 GB in France",
        "region": "Europe",
        "countries": [{"name": "France", "iso": "FR", "region": "Europe"}],
        "duration": 7,
        "price": 2.285,
        "priceExact": "2.285",
        "currency": "USD",
        "isUnlimited": False,
        "dataMB": 1000.0,
        "bundleGroup": "Standard Fixed",
        "features": ["4G/5G"],
        "availableQuantity": 10,
    }


async def test_the_filter_reaches_the_catalogue_exactly(gateway: Gateway) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse(plans=[plan()])
    answer = await gateway.client.ask(
        """{ dataPlans(filter: {region: "Europe", country: "FR", duration: 30, minPrice: 0.1,
             maxPrice: 100, unlimited: false, bundleGroup: "Standard Fixed", text: "france",
             minData: 1000}, first: 3, orderBy: PRICE_ASC) { name } }"""
    )
    assert answer.data == {"dataPlans": [{"name": "esim_1GB_7D_FR_V1"}]}
    assert gateway.catalogue.requests == [
        catalogue_pb2.ListPlansRequest(
            filter=catalogue_pb2.PlanFilter(
                region="Europe",
                country="FR",
                duration_days=30,
                min_price=money_pb2.Money(nanos=100_000_000),
                max_price=money_pb2.Money(units=100),
                unlimited=False,
                bundle_group="Standard Fixed",
                text="france",
                min_data_mb=1000,
            ),
            order_by=catalogue_pb2.PLAN_ORDER_PRICE_ASC,
            page_size=3,
            without_total=True,
        )
    ]


async def test_float_noise_in_a_filter_is_removed(gateway: Gateway) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse(plans=[plan()])
    noisy = {"minPrice": 0.1 + 0.2, "maxPrice": 1.05 * 3, "minData": 1.1 * 3 * 1000}
    await gateway.client.ask(
        "query($f: DataPlanFilter) { dataPlans(filter: $f, first: 3) { name } }", f=noisy
    )
    (request,) = gateway.catalogue.requests
    assert request.filter == catalogue_pb2.PlanFilter(
        min_price=money_pb2.Money(nanos=300_000_000),
        max_price=money_pb2.Money(units=3, nanos=150_000_000),
        min_data_mb=3300,
    )


async def test_without_first_all_pages_are_read(gateway: Gateway) -> None:
    def page(request: catalogue_pb2.ListPlansRequest) -> catalogue_pb2.ListPlansResponse:
        at = int(request.page_token or "1")
        token = str(at + 1) if at < 3 else ""
        return catalogue_pb2.ListPlansResponse(plans=[plan(at)], next_page_token=token)

    gateway.catalogue.answers["ListPlans"] = page
    answer = await gateway.client.ask("{ dataPlans { name } }")
    assert [p["name"][-1] for p in answer.data["dataPlans"]] == ["1", "2", "3"]


async def test_with_first_one_page_is_enough(gateway: Gateway) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse(
        plans=[plan()], next_page_token="more"
    )
    answer = await gateway.client.ask("{ dataPlans(first: 1) { name } }")
    assert len(answer.data["dataPlans"]) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ dataPlans(filter: {maxPrice: 1e300}) { id } }", "filter.maxPrice: must be"),
        ("{ dataPlans(filter: {maxPrice: 1e400}) { id } }", "filter.maxPrice: must be"),
        ("{ dataPlans(filter: {minData: 1e400}) { id } }", "filter.minData: must be"),
        ("{ dataPlans(filter: {minPrice: 1e-12}) { id } }", "filter.minPrice: must be"),
        ("{ dataPlans(filter: {minData: 1e30}) { id } }", "filter.minData: must be"),
        ("{ dataPlans(filter: {minData: 0.5}) { id } }", "filter.minData: must be"),
    ],
)
async def test_an_out_of_range_number_is_bad_input(
    client: Client, query: str, message: str
) -> None:
    answer = await client.ask(query)
    assert answer.code == "BAD_USER_INPUT"
    assert message in answer.error["message"]


async def test_an_invalid_field_is_named_as_in_the_schema(gateway: Gateway) -> None:
    gateway.catalogue.answers["ListPlans"] = invalid(
        {"filter.duration_days": "must be 1 or more", "filter.max_price": "must not be negative"}
    )
    answer = await gateway.client.ask("{ dataPlans { id } }")
    assert answer.error["message"] == (
        "filter.duration: must be 1 or more; filter.maxPrice: must not be negative"
    )
    assert answer.error["extensions"] == {
        "code": "BAD_USER_INPUT",
        "reason": "INVALID_ARGUMENT",
        "fields": {
            "filter.duration": "must be 1 or more",
            "filter.maxPrice": "must not be negative",
        },
    }


async def test_an_unknown_plan_is_null_with_not_found(gateway: Gateway) -> None:
    gateway.catalogue.answers["GetPlan"] = Failure(
        Kind.NOT_FOUND, "PLAN_NOT_FOUND", "There is no plan with this id"
    )
    answer = await gateway.client.ask('{ dataPlan(id: "x") { id } }')
    assert answer.status == 200
    assert answer.body["data"] == {"dataPlan": None}
    assert answer.error["extensions"] == {"code": "NOT_FOUND", "reason": "PLAN_NOT_FOUND"}


async def test_an_unavailable_catalogue_gets_the_documented_message(gateway: Gateway) -> None:
    await stop_service(gateway, "catalogue")
    answer = await gateway.client.ask("{ dataPlans { id } }")
    assert answer.status == 200
    assert answer.error["message"] == "Failed to fetch data plans"
    assert answer.code == "UNAVAILABLE"


async def test_regions_and_countries_come_with_counts_and_lowest_prices(gateway: Gateway) -> None:
    lowest = money_pb2.Money(currency_code="USD", nanos=990_000_000)
    gateway.catalogue.answers["ListRegions"] = catalogue_pb2.ListRegionsResponse(
        regions=[catalogue_pb2.RegionSummary(name="Europe", plan_count=7, lowest_price=lowest)]
    )
    gateway.catalogue.answers["ListCountries"] = catalogue_pb2.ListCountriesResponse(
        countries=[catalogue_pb2.CountrySummary(country=FRANCE, plan_count=3, lowest_price=lowest)]
    )
    answer = await gateway.client.ask(
        """{ regions { name planCount lowestPrice currency }
             countries(region: "Europe") { country { iso } planCount lowestPrice } }"""
    )
    assert answer.data == {
        "regions": [{"name": "Europe", "planCount": 7, "lowestPrice": 0.99, "currency": "USD"}],
        "countries": [{"country": {"iso": "FR"}, "planCount": 3, "lowestPrice": 0.99}],
    }


async def test_facets_come_with_the_filter_and_every_count(gateway: Gateway) -> None:
    gateway.catalogue.answers["GetPlanFacets"] = catalogue_pb2.GetPlanFacetsResponse(
        total_size=5,
        countries=[catalogue_pb2.CountryFacet(country=FRANCE, plan_count=7)],
        regions=[catalogue_pb2.RegionFacet(name="Europe", plan_count=6)],
        durations=[catalogue_pb2.DurationFacet(days=30, plan_count=4)],
        lowest_price=money_pb2.Money(currency_code="USD", nanos=990_000_000),
        highest_price=money_pb2.Money(currency_code="USD", units=80),
        unlimited_count=2,
        limited_count=3,
        bundle_groups=[catalogue_pb2.BundleGroupFacet(name="Standard Fixed", plan_count=1)],
    )
    answer = await gateway.client.ask(
        """{ dataPlanFacets(filter: {country: "FR", maxPrice: 9.99}) {
               total countries { country { name iso } planCount } regions { name planCount }
               durations { days planCount } priceRange { lowest highest currency }
               unlimitedCount limitedCount bundleGroups { name planCount } } }"""
    )
    assert answer.data["dataPlanFacets"] == {
        "total": 5,
        "countries": [{"country": {"name": "France", "iso": "FR"}, "planCount": 7}],
        "regions": [{"name": "Europe", "planCount": 6}],
        "durations": [{"days": 30, "planCount": 4}],
        "priceRange": {"lowest": 0.99, "highest": 80.0, "currency": "USD"},
        "unlimitedCount": 2,
        "limitedCount": 3,
        "bundleGroups": [{"name": "Standard Fixed", "planCount": 1}],
    }
    wanted = catalogue_pb2.PlanFilter(
        country="FR", max_price=money_pb2.Money(units=9, nanos=990_000_000)
    )
    assert gateway.catalogue.requests == [catalogue_pb2.GetPlanFacetsRequest(filter=wanted)]


async def test_without_plans_there_is_no_price_range(gateway: Gateway) -> None:
    gateway.catalogue.answers["GetPlanFacets"] = catalogue_pb2.GetPlanFacetsResponse()
    answer = await gateway.client.ask("{ dataPlanFacets { total priceRange { lowest } } }")
    assert answer.data == {"dataPlanFacets": {"total": 0, "priceRange": None}}


async def test_federation_looks_many_plans_up_in_one_call(gateway: Gateway) -> None:
    gateway.catalogue.answers["BatchGetPlans"] = lambda request: (
        catalogue_pb2.BatchGetPlansResponse(plans=[plan(n) for n in (1, 2)])
    )
    ids = [plan(n).id for n in (2, 1, 9)]
    answer = await gateway.client.ask(
        "query($r: [_Any!]!) { _entities(representations: $r) { ... on DataPlan { id name } } }",
        r=[{"__typename": "DataPlan", "id": id_, "price": 1} for id_ in ids],
    )
    names = [found and found["name"] for found in answer.data["_entities"]]
    assert names == ["esim_1GB_7D_FR_V2", "esim_1GB_7D_FR_V1", None]
    assert gateway.catalogue.calls == {"BatchGetPlans": 1}


async def test_a_null_representation_is_bad_input(client: Client) -> None:
    answer = await client.ask(
        "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }", r=[None]
    )
    assert answer.code in ("BAD_USER_INPUT", "BAD_REQUEST")


async def test_a_malformed_representation_is_an_error_only_at_its_own_index(
    gateway: Gateway,
) -> None:
    gateway.catalogue.answers["BatchGetPlans"] = lambda request: (
        catalogue_pb2.BatchGetPlansResponse(plans=[plan(n) for n in (1, 2)])
    )
    kinds: list[Any] = ["Query", "Nothing", "_Entity", "ESIMBundle", [1], {}]
    malformed = [
        *({}, 5, 2.5, "x", True, [], [{"__typename": "DataPlan"}], {"id": plan(1).id}),
        *({"__typename": kind, "id": plan(1).id} for kind in kinds),
        *({"__typename": kind} for kind in ("Query", "DataPlan", [1])),
        *({"__typename": "DataPlan", "id": id_} for id_ in (None, 5, {"id": plan(1).id}, "x")),
    ]
    first, last = ({"__typename": "DataPlan", "id": plan(n).id} for n in (1, 2))
    answer = await gateway.client.ask(
        "query($r: [_Any!]!) { _entities(representations: $r) { ... on DataPlan { name } } }",
        r=[first, *malformed, last],
    )
    assert answer.status == 200
    assert answer.body["data"]["_entities"] == [
        {"name": plan(1).name},
        *[None] * len(malformed),
        {"name": plan(2).name},
    ]
    errors = sorted(answer.body["errors"], key=lambda error: error["path"][1])
    assert [error["path"] for error in errors] == [
        ["_entities", index] for index in range(1, len(malformed) + 1)
    ]
    assert {error["extensions"]["code"] for error in errors} == {"BAD_USER_INPUT"}
    assert all(f"representations[{error['path'][1]}]" in error["message"] for error in errors)
    assert gateway.catalogue.calls == {"BatchGetPlans": 1}


@pytest.mark.parametrize("admin", [False, True])
async def test_only_administrators_read_the_catalogue_with_their_own_session(
    gateway: Gateway, auth: Auth, admin: bool
) -> None:
    gateway.catalogue.answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse()
    client = gateway.client.signed_in(await auth.token("ann@example.com", admin=admin))
    answer = await client.ask("{ featuredPlans { name price } }")
    assert answer.data == {"featuredPlans": []}
    # Customers read as anonymous clients do, so that equal reads share one call.
    expected = str(await auth.user_id("ann@example.com")) if admin else ""
    assert gateway.catalogue.callers == [expected]
