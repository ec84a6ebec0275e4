"""Sessions at the gateway: guarded fields, entities, and lists limited to the caller's own rows."""

import pytest
from multidict import CIMultiDict

from kit.errors import Failure, Kind
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ESIM_ID, ORDER_ID
from tests.fixtures.sandboxes import Auth

SIGNED_IN = {
    "myESIMs": "{ myESIMs { id status } }",
    "esimDetails": '{ esimDetails(id: "1") { id } }',
    "myOrders": "{ myOrders { id } }",
    "orderDetails": '{ orderDetails(id: "1") { id } }',
    "orders": "{ orders { edges { cursor } } }",
    "esims": "{ esims { edges { cursor } } }",
    "purchaseESIM": 'mutation { purchaseESIM(planId: "1") { success } }',
    "suspendESIM": 'mutation { suspendESIM(esimId: "1") { success } }',
    "restoreESIM": 'mutation { restoreESIM(esimId: "1") { success } }',
    "updateESIMReference": 'mutation { updateESIMReference(esimId: "1", reference: "") { success } }',
    "cancelOrder": 'mutation { cancelOrder(orderId: "1") { success } }',
}


@pytest.mark.parametrize("field", SIGNED_IN)
async def test_without_a_session_a_guarded_field_is_unauthenticated(
    gateway: Gateway, field: str
) -> None:
    answer = await gateway.client.ask(SIGNED_IN[field])
    assert answer.status == 200
    assert answer.error["message"] == "Not authenticated"
    assert answer.error["path"] == [field]
    assert answer.code == "UNAUTHENTICATED"
    assert "Authorization: Bearer" in answer.error["extensions"]["detail"]
    assert not gateway.orders.calls
    assert not gateway.esims.calls


@pytest.mark.parametrize("kind", ["Order", "ESIM"])
async def test_without_a_session_federation_returns_no_customer_entities(
    gateway: Gateway, kind: str
) -> None:
    answer = await gateway.client.ask(
        "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }",
        r=[{"__typename": kind, "id": ORDER_ID}],
    )
    assert answer.body["data"] == {"_entities": [None]}
    assert answer.code == "UNAUTHENTICATED"
    assert not gateway.orders.calls
    assert not gateway.esims.calls


async def test_federation_looks_entities_up_in_one_call_with_the_callers_session(
    gateway: Gateway, ann: Client, auth: Auth
) -> None:
    answer = await ann.ask(
        """query($r: [_Any!]!) { _entities(representations: $r) {
             ... on Order { id status } } }""",
        r=[{"__typename": "Order", "id": id_} for id_ in (ORDER_ID, ESIM_ID)],
    )
    assert answer.data == {"_entities": [{"id": ORDER_ID, "status": "COMPLETED"}, None]}
    assert gateway.orders.calls == {"BatchGetOrders": 1}
    assert gateway.orders.callers == [str(await auth.user_id("ann@example.com"))]


async def test_an_administrators_own_lists_contain_no_other_customers_rows(
    gateway: Gateway, auth: Auth
) -> None:
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse()
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse()
    client = gateway.client.signed_in(await auth.token("boss@example.com", admin=True))
    answer = await client.ask("{ myOrders { id } myESIMs { id } }")
    assert answer.data == {"myOrders": [], "myESIMs": []}
    own = str(await auth.user_id("boss@example.com"))
    assert gateway.orders.requests[0].filter.customer_id == own
    assert gateway.esims.requests[0].filter.customer_id == own


async def test_another_customers_objects_are_null_with_not_found(
    gateway: Gateway, ann: Client
) -> None:
    gateway.orders.answers["GetOrder"] = Failure(Kind.NOT_FOUND, "ORDER_NOT_FOUND", "No such order")
    gateway.esims.answers["GetESIM"] = Failure(Kind.NOT_FOUND, "ESIM_NOT_FOUND", "No such eSIM")
    answer = await ann.ask('{ orderDetails(id: "1") { id } esimDetails(id: "1") { id } }')
    assert answer.body["data"] == {"orderDetails": None, "esimDetails": None}
    assert {e["extensions"]["reason"] for e in answer.body["errors"]} == {
        "ORDER_NOT_FOUND",
        "ESIM_NOT_FOUND",
    }


async def test_mutations_are_refused_by_get(gateway: Gateway, ann: Client) -> None:
    headers = {"Authorization": f"Bearer {ann.token}"}
    params = {"query": SIGNED_IN["purchaseESIM"]}
    url = f"{ann.url}/graphql"
    async with ann.http.get(url, params=params, headers=headers) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"
    assert not gateway.orders.calls


async def test_different_sessions_in_one_request_are_refused(ann: Client) -> None:
    for other, status in (("Bearer x", 401), ("", 401), (f"Bearer {ann.token}", 200)):
        values = [f"Bearer {ann.token}", other]
        for headers in (values, reversed(values)):
            async with ann.http.post(
                f"{ann.url}/graphql",
                json={"query": "{ __typename }"},
                headers=CIMultiDict(("Authorization", value) for value in headers),
            ) as answer:
                assert answer.status == status
