"""Subscriptions of customers on the real services: every step, only to those who may see it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fixtures.gateway import Client
from tests.fixtures.platform import BUNDLE, Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.sockets import connected

STATUS = """subscription($id: ID!) { esimStatusUpdated(esimId: $id) {
    esimId status dataUsed dataRemaining updatedAt } }"""
ORDER = """subscription($id: ID!) { orderUpdated(orderId: $id) {
    id status esims { id iccid status plan { name } } } }"""
MINE = "subscription { myESIMsUpdated { id iccid status } }"


async def suspend(customer: Client, esim_id: str) -> None:
    answer = await customer.ask(
        "mutation($id: ID!) { suspendESIM(esimId: $id) { success code } }", id=esim_id
    )
    assert answer.data["suspendESIM"]["success"], answer.body


async def begin(platform: Platform, customer: Client, quantity: int) -> str:
    """Buy while the provider is slow and return the id of the PROCESSING order."""
    plans = await customer.ask('{ dataPlans(filter: {text: "esim_1GB_7D_GB_V2"}) { id name } }')
    (plan,) = [p for p in plans.data["dataPlans"] if p["name"] == BUNDLE]
    bought = await customer.ask(
        """mutation($id: ID!, $n: Int!) { purchaseESIM(planId: $id, input: {quantity: $n}) {
             success error order { id status } } }""",
        id=plan["id"],
        n=quantity,
    )
    assert bought.data["purchaseESIM"]["success"], bought.body
    return str(bought.data["purchaseESIM"]["order"]["id"])


async def test_a_subscription_shows_a_purchase_until_its_esims_are_delivered(
    platform: Platform,
) -> None:
    ann = await platform.customer("ann@example.com")
    async with connected(ann) as mine, connected(ann) as socket:
        await mine.subscribe(MINE)
        assert await mine.data() == {"myESIMsUpdated": []}
        order_id = await begin(platform, ann, quantity=2)
        await socket.subscribe(ORDER, id=order_id)
        events = await socket.until("orderUpdated", status="COMPLETED")
        assert {event["status"] for event in events} <= {"PROCESSING", "COMPLETED"}
        delivered = events[-1]["esims"]
        assert len(delivered) == 2
        assert {esim["plan"]["name"] for esim in delivered} == {BUNDLE}
        known: set[str] = set()
        while known != {esim["id"] for esim in delivered}:
            known |= {esim["id"] for esim in (await mine.data())["myESIMsUpdated"]}


async def test_both_gateways_report_a_change_and_only_to_its_owner(platform: Platform) -> None:
    ann = await platform.customer("ann@example.com")
    bob = await platform.customer("bob@example.com")
    order = await platform.buy(ann)
    esim_id = order["esims"][0]["id"]
    async with (
        platform.another(ann) as other_gateway,
        connected(ann) as here,
        connected(other_gateway) as there,
        connected(bob) as bobs,
    ):
        for socket in (here, there):
            await socket.subscribe(STATUS, id=esim_id)
            (first,) = await socket.until("esimStatusUpdated", status="ASSIGNED")
            assert first["esimId"] == esim_id
        await bobs.subscribe(MINE)
        assert await bobs.data() == {"myESIMsUpdated": []}
        for query, id_ in ((STATUS, esim_id), (ORDER, order["id"])):
            await bobs.subscribe(query, id=id_)
            error = await bobs.error()
            assert error["extensions"]["code"] == "NOT_FOUND"
            assert order["esims"][0]["iccid"] not in json.dumps(error)

        await suspend(ann, esim_id)
        for socket in (here, there):
            await socket.until("esimStatusUpdated", status="SUSPENDED")
        # An event for Bob would arrive before this answer.
        await bobs.subscribe("{ __typename }")
        assert await bobs.data() == {"__typename": "Query"}


async def test_a_subscriber_sees_the_usage_of_an_esim(
    platform: Platform, databases: Databases
) -> None:
    ann = await platform.customer("ann@example.com")
    (esim,) = (await platform.buy(ann))["esims"]
    iccid = esim["iccid"]
    look = "query($id: ID!) { esimDetails(id: $id) { usage { totalUsed asOf } } }"
    await ann.ask(look, id=esim["id"])
    async with connected(ann) as socket:
        await socket.subscribe(STATUS, id=esim["id"])
        await socket.data()
        await platform.provider.control("POST", f"/esims/{iccid}/install")
        body = {"megabytes": 250, "country": "GB"}
        await platform.provider.control("POST", f"/esims/{iccid}/use-data", body)
        # As if the last refresh were six minutes old. Another device of hers then reads the eSIM, twice
        # if an earlier refresh was still in flight.
        now, read_at = datetime.now(UTC), datetime.min.replace(tzinfo=UTC)
        while read_at < now:
            await databases.admin.execute(
                "update esims.esims set bundles_read_at = bundles_read_at - interval '6 minutes'"
            )
            usage = (await ann.ask(look, id=esim["id"])).data["esimDetails"]["usage"]
            read_at = datetime.fromisoformat(usage["asOf"])
        (*_, last) = await socket.until("esimStatusUpdated", status="ACTIVE")
        assert (last["dataUsed"], last["dataRemaining"]) == (250.0, 750.0)


@pytest.mark.parametrize("query", [STATUS, ORDER])
async def test_a_malformed_id_is_bad_input(platform: Platform, query: str) -> None:
    ann = await platform.customer("ann@example.com")
    async with connected(ann) as socket:
        await socket.subscribe(query, id="1")
        error: Any = await socket.error()
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert "UUID" in error["message"]
