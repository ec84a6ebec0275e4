"""urql as a web page uses it; it accepts server-sent events and JSON with equal quality."""

import asyncio
import json
from collections.abc import AsyncIterator

from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.browser.javascript import Script
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ORDER_ID, PLAN, order

GRAPHQL = "application/graphql-response+json; charset=utf-8"
EVENTS = "text/event-stream; charset=utf-8"


async def steps(
    request: orders_pb2.WatchOrderRequest,
) -> AsyncIterator[orders_pb2.WatchOrderResponse]:
    for status in (orders_pb2.ORDER_STATUS_PROCESSING, orders_pb2.ORDER_STATUS_COMPLETED):
        yield orders_pb2.WatchOrderResponse(order=order(status=status))
    await asyncio.Event().wait()  # the stream stays open


async def test_urql_gets_single_answers_and_events_only_for_subscriptions(
    gateway: Gateway, ann: Client, script: Script
) -> None:
    gateway.catalogue.answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse(
        plans=[PLAN]
    )
    gateway.orders.answers["CancelOrder"] = Failure(Kind.REFUSED, "ORDER_IN_USE", "It is in use")
    gateway.orders.answers["WatchOrder"] = steps
    output = await script("conformance/urql.mjs", f"{ann.url}/graphql", ann.token or "", ORDER_ID)
    result = json.loads(output)
    data = {"featuredPlans": [{"id": PLAN.id, "__typename": "DataPlan"}]}
    without_typename = {"featuredPlans": [{"id": PLAN.id}]}
    assert result["query"] in ([[data, None]] * 10, [[without_typename, None]] * 10)
    assert result["byGet"] in (data, without_typename)
    assert result["invalid"] == ["BAD_REQUEST"]
    assert result["mutation"][0]["cancelOrder"]["code"] == "ORDER_IN_USE"
    assert result["statuses"][-1] == "COMPLETED"
    assert result["unhandled"] == []
    *single, followed = result["answers"]
    assert [(method, status, kind) for method, status, kind, *_ in single] == [
        *[("POST", 200, GRAPHQL)] * 10,
        ("GET", 200, GRAPHQL),
        ("POST", 400, GRAPHQL),
        ("POST", 200, GRAPHQL),
    ]
    assert all("text/event-stream" in accept for *_, accept in single)
    assert followed[:3] == ["POST", 200, EVENTS]
