"""Buying, cancelling and changing through the gateway: successes, refusals and faults."""

import pytest
from multidict import CIMultiDict

from kit.errors import Failure, Kind
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway, stop_service
from tests.fixtures.gateway_customer import ORDER_ID, PLAN, esim, order

PURCHASE = """mutation($id: ID!, $input: PurchaseInput) {
  purchaseESIM(planId: $id, input: $input) { success error code order { id status esims { iccid } } } }"""


async def test_a_purchase_forwards_every_input(gateway: Gateway, ann: Client) -> None:
    answer = await ann.ask(
        PURCHASE,
        id=PLAN.id,
        input={
            "quantity": 2,
            "customerReference": "trip",
            "autoActivate": True,
            "idempotencyKey": "k-1",
        },
    )
    assert answer.data["purchaseESIM"] == {
        "success": True,
        "error": None,
        "code": None,
        "order": {
            "id": ORDER_ID,
            "status": "COMPLETED",
            "esims": [{"iccid": "8943108169900000016"}],
        },
    }
    assert gateway.orders.requests == [
        orders_pb2.CreateOrderRequest(
            plan_id=PLAN.id,
            quantity=2,
            customer_reference="trip",
            auto_activate=True,
            idempotency_key="k-1",
        )
    ]


async def test_a_purchase_without_input_has_quantity_one(gateway: Gateway, ann: Client) -> None:
    await ann.ask(PURCHASE, id=PLAN.id)
    assert gateway.orders.requests == [orders_pb2.CreateOrderRequest(plan_id=PLAN.id, quantity=1)]


async def test_an_order_in_progress_is_a_success(gateway: Gateway, ann: Client) -> None:
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(
        order=order(status=orders_pb2.ORDER_STATUS_PROCESSING, reference="")
    )
    answer = await ann.ask(PURCHASE, id=PLAN.id)
    assert answer.data["purchaseESIM"]["success"] is True
    assert answer.data["purchaseESIM"]["order"]["status"] == "PROCESSING"


async def test_a_failed_order_is_not_a_success_and_has_a_reason(
    gateway: Gateway, ann: Client
) -> None:
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(
        order=order(status=orders_pb2.ORDER_STATUS_FAILED, status_reason="The shop is out of funds")
    )
    answer = await ann.ask(PURCHASE, id=PLAN.id)
    assert answer.data["purchaseESIM"]["success"] is False
    assert answer.data["purchaseESIM"]["error"] == "The shop is out of funds"
    assert answer.data["purchaseESIM"]["code"] == "ORDER_FAILED"
    assert answer.data["purchaseESIM"]["order"]["status"] == "FAILED"


@pytest.mark.parametrize(
    "kind", [Kind.INVALID, Kind.NOT_FOUND, Kind.REFUSED, Kind.CONFLICT, Kind.FORBIDDEN]
)
async def test_a_refusal_of_a_mutation_is_data(gateway: Gateway, ann: Client, kind: Kind) -> None:
    refusal = Failure(kind, "SOME_REASON", "This is why")
    refused = {"success": False, "error": "This is why", "code": "SOME_REASON"}
    for name in ("CreateOrder", "CancelOrder"):
        gateway.orders.answers[name] = refusal
    for name in ("SuspendESIM", "RestoreESIM", "UpdateESIMReference"):
        gateway.esims.answers[name] = refusal
    answer = await ann.ask(
        """mutation {
             purchaseESIM(planId: "1") { success error code order { id } }
             cancelOrder(orderId: "1") { success error code order { id } }
             suspendESIM(esimId: "1") { success error code esim { id } }
             restoreESIM(esimId: "1") { success error code esim { id } }
             updateESIMReference(esimId: "1", reference: "x") { success error code esim { id } } }"""
    )
    assert answer.data == {
        "purchaseESIM": {**refused, "order": None},
        "cancelOrder": {**refused, "order": None},
        "suspendESIM": {**refused, "esim": None},
        "restoreESIM": {**refused, "esim": None},
        "updateESIMReference": {**refused, "esim": None},
    }


@pytest.mark.parametrize(
    "kind", [Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.UNCLEAR, Kind.DEADLINE, Kind.INTERNAL]
)
async def test_a_failed_mutation_is_an_error_and_does_not_affect_the_others(
    gateway: Gateway, ann: Client, kind: Kind
) -> None:
    gateway.esims.answers["SuspendESIM"] = Failure(kind, "SOME_REASON", "This is why")
    answer = await ann.ask(
        """mutation { purchaseESIM(planId: "1") { order { id } }
                      suspendESIM(esimId: "1") { success } }"""
    )
    assert answer.body["data"] == {"purchaseESIM": {"order": {"id": ORDER_ID}}, "suspendESIM": None}
    assert answer.error["path"] == ["suspendESIM"]


async def test_an_unanswered_purchase_advises_to_check_before_buying_again(
    gateway: Gateway, ann: Client
) -> None:
    await stop_service(gateway, "orders")
    answer = await ann.ask(PURCHASE, id=PLAN.id)
    assert answer.code == "UNAVAILABLE"
    assert "check myOrders" in answer.error["message"]


@pytest.mark.parametrize("key", ["", "caf\u00e9"])
async def test_an_invalid_idempotency_header_is_refused(
    gateway: Gateway, ann: Client, key: str
) -> None:
    query = 'mutation { purchaseESIM(planId: "1") { success error code } }'
    answer = await ann.ask(query, {"Idempotency-Key": key})
    assert answer.data["purchaseESIM"]["code"] == "INVALID_ARGUMENT"
    assert "Idempotency-Key: must" in answer.data["purchaseESIM"]["error"]
    assert not gateway.orders.requests


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_several_idempotency_headers_are_refused_unless_they_are_equal(
    gateway: Gateway, ann: Client, accept: str
) -> None:
    query = 'mutation { purchaseESIM(planId: "1") { success error code } }'
    for second, status in (("k-2", 400), ("k-1", 200)):
        keys = [("Idempotency-Key", "k-1"), ("Idempotency-Key", second)]
        headers = CIMultiDict([*keys, ("Accept", accept), ("Authorization", f"Bearer {ann.token}")])
        async with ann.http.post(
            f"{ann.url}/graphql", json={"query": query}, headers=headers
        ) as answer:
            assert answer.status == status
            text = await answer.text()
        if status == 400:
            assert "Send one Idempotency-Key header" in text
            assert not gateway.orders.requests
    assert gateway.orders.requests[-1].idempotency_key == "k-1"


async def test_an_empty_idempotency_key_is_refused(gateway: Gateway, ann: Client) -> None:
    query = 'mutation { purchaseESIM(planId: "1", input: {idempotencyKey: ""}) { success error } }'
    answer = await ann.ask(query, {"Idempotency-Key": "k-1"})
    assert "idempotencyKey: must not be empty" in answer.data["purchaseESIM"]["error"]
    assert not gateway.orders.requests


async def test_the_idempotency_header_applies_to_a_single_purchase_only(
    gateway: Gateway, ann: Client
) -> None:
    header = {"Idempotency-Key": "k-2"}
    await ann.ask('mutation { purchaseESIM(planId: "1") { success } }', header)
    assert gateway.orders.requests[-1].idempotency_key == "k-2"
    answer = await ann.ask(
        """mutation { a: purchaseESIM(planId: "1") { success error }
                      restoreESIM(esimId: "2") { success } }""",
        header,
    )
    assert gateway.orders.calls == {"CreateOrder": 1}
    assert answer.data["a"]["success"] is False
    assert "input.idempotencyKey" in answer.data["a"]["error"]


async def test_the_input_key_overrides_the_idempotency_header(
    gateway: Gateway, ann: Client
) -> None:
    query = 'mutation { purchaseESIM(planId: "1", input: {idempotencyKey: "mine"}) { success } }'
    await ann.ask(query, {"Idempotency-Key": "k-3"})
    assert gateway.orders.requests[-1].idempotency_key == "mine"


async def test_a_mutation_returns_no_state_cached_before_it(gateway: Gateway, ann: Client) -> None:
    states = iter([esims_pb2.ESIM_STATUS_SUSPENDED, esims_pb2.ESIM_STATUS_ASSIGNED])
    gateway.esims.answers["BatchListOrderESIMs"] = lambda request: (
        esims_pb2.BatchListOrderESIMsResponse(esims=[esim(status=next(states))])
    )
    gateway.esims.answers["RestoreESIM"] = esims_pb2.RestoreESIMResponse(esim=esim())
    answer = await ann.ask(
        """mutation {
             suspendESIM(esimId: "1") { esim { status order { esims { status } } } }
             restoreESIM(esimId: "1") { esim { status order { esims { status } } } } }"""
    )
    assert answer.data == {
        "suspendESIM": {
            "esim": {"status": "SUSPENDED", "order": {"esims": [{"status": "SUSPENDED"}]}}
        },
        "restoreESIM": {
            "esim": {"status": "ASSIGNED", "order": {"esims": [{"status": "ASSIGNED"}]}}
        },
    }


async def test_a_cancellation_reports_its_result(gateway: Gateway, ann: Client) -> None:
    gateway.orders.answers["CancelOrder"] = orders_pb2.CancelOrderResponse(
        order=order(status=orders_pb2.ORDER_STATUS_REFUNDED),
        message="1 bundle was taken off",
        revoked=[
            orders_pb2.RevokedAssignment(
                iccid="8943108169900000016", refund=orders_pb2.REFUND_RESULT_BALANCE
            ),
            orders_pb2.RevokedAssignment(iccid="8943108169900000024"),
        ],
    )
    answer = await ann.ask(
        """mutation { cancelOrder(orderId: "1") {
             success order { status } message revoked { iccid refund } } }"""
    )
    assert answer.data["cancelOrder"] == {
        "success": True,
        "order": {"status": "REFUNDED"},
        "message": "1 bundle was taken off",
        "revoked": [
            {"iccid": "8943108169900000016", "refund": "BALANCE"},
            {"iccid": "8943108169900000024", "refund": None},
        ],
    }
