"""Apollo Client as a web page uses it: every kind of operation, persisted and trusted documents."""

import asyncio
import json
from collections.abc import AsyncIterator

from gateway.documents.trusted import TrustedDocuments
from gateway.http.trust_documents import manifest
from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.browser.javascript import JS, Script
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ORDER_ID, PLAN, order

OPERATIONS = JS / "conformance" / "operations"


def one_plan(request: catalogue_pb2.GetPlanRequest) -> catalogue_pb2.GetPlanResponse:
    if request.id != PLAN.id:
        raise Failure(Kind.NOT_FOUND, "PLAN_NOT_FOUND", "There is no plan with this id")
    return catalogue_pb2.GetPlanResponse(plan=PLAN)


async def steps(
    request: orders_pb2.WatchOrderRequest,
) -> AsyncIterator[orders_pb2.WatchOrderResponse]:
    for status in (orders_pb2.ORDER_STATUS_PROCESSING, orders_pb2.ORDER_STATUS_COMPLETED):
        yield orders_pb2.WatchOrderResponse(order=order(status=status))
    await asyncio.Event().wait()  # until the client unsubscribes


async def test_apollo_client_works_with_the_gateway(
    gateway: Gateway, ann: Client, script: Script
) -> None:
    gateway.catalogue.answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse(
        plans=[PLAN]
    )
    gateway.catalogue.answers["GetPlan"] = one_plan
    gateway.orders.answers["WatchOrder"] = steps
    known = manifest(sorted(OPERATIONS.glob("*.graphql")), add_typename=True)
    trusted = TrustedDocuments(known, only=True)
    async with gateway.another(trusted_documents=trusted) as trusting:
        output = await script(
            "conformance/apollo_client.mjs",
            f"{ann.url}/graphql",
            f"{trusting.url}/graphql",
            ann.token or "",
            PLAN.id,
            ORDER_ID,
        )
    result = json.loads(output)
    (plan,) = result["query"]["featuredPlans"]
    assert plan["__typename"] == "DataPlan"
    assert plan["id"] == PLAN.id
    assert result["cached"]
    assert result["fieldError"]["code"] == "NOT_FOUND"
    assert result["invalid"]["code"] == "BAD_REQUEST"
    for refused in (result["anonymous"], result["expired"]):
        assert refused == {
            "name": "CombinedGraphQLErrors",
            "message": "Not authenticated",
            "code": "UNAUTHENTICATED",
        }
    bought = result["bought"]["purchaseESIM"]
    assert bought["success"]
    assert bought["order"]["id"] == ORDER_ID
    assert bought["order"]["esims"][0]["qrCode"].startswith("data:image/png;base64,")
    assert result["persisted"] == ["POST hash only 400", "POST text 200", "POST hash only 200"]
    assert result["persistedByGet"] == ["GET hash only 400", "POST text 200", "GET hash only 200"]
    assert result["trusted"] == [1, True]
    assert result["untrusted"]["code"] == "DOCUMENT_NOT_TRUSTED"
    for followed in (result["followed"], result["followedTrusted"]):
        assert followed["data"][-1] == "COMPLETED"
        assert set(followed["data"]) <= {"PROCESSING", "COMPLETED"}
    assert "4403 Forbidden" in result["followedByNobody"]["message"]
    assert result["bySocket"] == [{"data": {"featuredPlans": [{"id": PLAN.id}]}}]
