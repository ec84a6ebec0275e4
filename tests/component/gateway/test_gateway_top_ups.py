"""Plans of bundles and plans for top-ups through the gateway: one call for each level."""

from typing import Any

import pytest

from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from tests.fixtures.answers.plans import ids, plan
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ESIM_ID, PLAN, esim

OTHER = "00000000-0000-5000-8000-000000000009"


def top_ups(
    request: catalogue_pb2.BatchListTopUpPlansRequest,
) -> catalogue_pb2.BatchListTopUpPlansResponse:
    """Return two plans for each requested plan, distinguished by the last digit."""
    answer = catalogue_pb2.BatchListTopUpPlansResponse()
    for plan_id in request.plan_ids:
        found = [plan(int(plan_id[-1]) * 10 + number) for number in range(request.page_size)]
        answer.top_ups.add(plan_id=plan_id, plans=found)
    return answer


async def test_top_ups_and_plans_of_bundles_take_one_call_whatever_the_number_of_esims(
    gateway: Gateway, ann: Client
) -> None:
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse(
        esims=[esim(id_, plan_id=PLAN.id if n % 2 else OTHER) for n, id_ in enumerate(ids(20))]
    )
    gateway.esims.answers["BatchListBundles"] = esims_pb2.BatchListBundlesResponse(
        bundles=[
            esims_pb2.ESIMBundle(
                id=f"a-{id_}", esim_id=id_, name=PLAN.name, state=esims_pb2.BUNDLE_STATE_ACTIVE
            )
            for id_ in ids(20)
        ]
    )
    gateway.catalogue.answers["BatchListTopUpPlans"] = top_ups
    answer = await ann.ask(
        "{ myESIMs(first: 20) { topUpPlans(first: 2) { name } bundles { plan { id name } } } }"
    )
    found = answer.data["myESIMs"]
    assert [one["topUpPlans"][1]["name"] for one in found[:2]] == [
        "esim_1GB_7D_FR_V91",
        "esim_1GB_7D_FR_V11",
    ]
    assert {one["bundles"][0]["plan"]["id"] for one in found} == {PLAN.id}
    assert gateway.catalogue.calls == {"BatchListTopUpPlans": 1, "BatchGetPlans": 1}
    assert catalogue_pb2.BatchGetPlansRequest(names=[PLAN.name]) in gateway.catalogue.requests


async def test_a_bundle_of_an_unknown_plan_has_a_null_plan(gateway: Gateway, ann: Client) -> None:
    gateway.esims.answers["BatchListBundles"] = esims_pb2.BatchListBundlesResponse(
        bundles=[
            esims_pb2.ESIMBundle(
                id="a-1", esim_id=ESIM_ID, name="elsewhere", state=esims_pb2.BUNDLE_STATE_ACTIVE
            )
        ]
    )
    gateway.catalogue.answers["BatchGetPlans"] = catalogue_pb2.BatchGetPlansResponse()
    answer = await ann.ask(
        "query($id: ID!) { esimDetails(id: $id) { bundles { name plan { id } } } }", id=ESIM_ID
    )
    assert answer.data["esimDetails"]["bundles"] == [{"name": "elsewhere", "plan": None}]


@pytest.mark.parametrize(
    "state",
    [
        {"profile_status": "Deactivated"},
        {"profile_status": "Unavailable"},
        {"status": esims_pb2.ESIM_STATUS_CANCELLED},
    ],
)
async def test_an_esim_that_accepts_no_more_bundles_has_no_top_ups(
    gateway: Gateway, ann: Client, state: dict[str, Any]
) -> None:
    gateway.esims.answers["GetESIM"] = esims_pb2.GetESIMResponse(esim=esim(**state))
    answer = await ann.ask(
        "query($id: ID!) { esimDetails(id: $id) { topUpPlans { id } } }", id=ESIM_ID
    )
    assert answer.data["esimDetails"] == {"topUpPlans": []}
    assert gateway.catalogue.calls["BatchListTopUpPlans"] == 0


async def test_first_limits_the_number_of_top_ups(gateway: Gateway, ann: Client) -> None:
    gateway.catalogue.answers["BatchListTopUpPlans"] = top_ups
    query = "query($id: ID!, $n: Int!) { esimDetails(id: $id) { topUpPlans(first: $n) { id } } }"
    for bad in (0, 101):
        refused = await ann.ask(query, id=ESIM_ID, n=bad)
        assert "first: must be an integer from 1 to 100" in refused.error["message"]
    few = await ann.ask(query, id=ESIM_ID, n=3)
    assert len(few.data["esimDetails"]["topUpPlans"]) == 3


async def test_a_plan_shows_title_fair_use_profile_and_flags(gateway: Gateway) -> None:
    full = plan(
        title="France, unlimited, 7 days",
        unlimited=True,
        profile_name="Profile 1",
        fair_use=catalogue_pb2.FairUse(daily_mb=1000, throttle_kbps=512),
        countries=[
            catalogue_pb2.Country(name="France", iso="FR", iso3="FRA", flag="🇫🇷"),
            catalogue_pb2.Country(name="Northern Cyprus", iso="CYP"),
        ],
    )
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse(plans=[full, plan(2)])
    answer = await gateway.client.ask(
        """{ dataPlans(first: 2, filter: {countries: ["FR", "DE"], singleCountry: false,
               minDuration: 5, maxDuration: 9}) {
             title profileName fairUse { dailyMB throttleKbps } countries { iso3 flag } } }"""
    )
    assert answer.data["dataPlans"][0] == {
        "title": "France, unlimited, 7 days",
        "profileName": "Profile 1",
        "fairUse": {"dailyMB": 1000, "throttleKbps": 512},
        "countries": [{"iso3": "FRA", "flag": "🇫🇷"}, {"iso3": None, "flag": None}],
    }
    assert answer.data["dataPlans"][1]["fairUse"] is None
    assert answer.data["dataPlans"][1]["profileName"] is None
    [request] = gateway.catalogue.requests
    assert request.filter == catalogue_pb2.PlanFilter(
        countries=["FR", "DE"], single_country=False, min_duration_days=5, max_duration_days=9
    )
