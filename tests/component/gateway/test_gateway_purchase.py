"""Optional inputs of a purchase: what the orders service receives, and how its answers appear."""

from decimal import Decimal
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ESIM_ID, ORDER_ID, PLAN, esim, order

PURCHASE = """mutation($id: ID!, $input: PurchaseInput) {
  purchaseESIM(planId: $id, input: $input) { success code order { id %s } } }"""
NOTHING_MORE = PURCHASE % ""
ALL = PURCHASE % "reassigned esims { iccid } timeline { at status message }"


async def test_price_limits_and_the_target_esim_reach_the_service_exactly(
    gateway: Gateway, ann: Client
) -> None:
    wanted = {
        "esimId": ESIM_ID,
        "allowReassign": True,
        "preventDuplicates": True,
        "maxPrice": 1.365,
        "maxTotal": 0.1,
    }
    await ann.ask(NOTHING_MORE, id=PLAN.id, input=wanted)
    assert gateway.orders.requests == [
        orders_pb2.CreateOrderRequest(
            plan_id=PLAN.id,
            quantity=1,
            esim_id=ESIM_ID,
            allow_reassign=True,
            prevent_duplicates=True,
            max_price=money.to_proto(Decimal("1.365"), ""),
            max_total=money.to_proto(Decimal("0.1"), ""),
        )
    ]


async def test_float_noise_in_price_limits_is_removed(gateway: Gateway, ann: Client) -> None:
    await ann.ask(NOTHING_MORE, id=PLAN.id, input={"maxPrice": 1.05 * 3, "maxTotal": 0.1 + 0.2})
    literals = NOTHING_MORE.replace(", $input: PurchaseInput", "").replace(
        "input: $input", "input: {maxPrice: 3.1500000000000004, maxTotal: 0.30000000000000004}"
    )
    await ann.ask(literals, id=PLAN.id)
    sent = [
        (money.from_proto(request.max_price), money.from_proto(request.max_total))
        for request in gateway.orders.requests
    ]
    assert sent == [(Decimal("3.15"), Decimal("0.3"))] * 2


async def test_a_top_up_order_shows_its_esim_and_timeline(gateway: Gateway, ann: Client) -> None:
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(
        order=order(esim_id=ESIM_ID)
    )
    gateway.esims.answers["BatchGetESIMs"] = esims_pb2.BatchGetESIMsResponse(esims=[esim()])
    entry = orders_pb2.TimelineEntry(
        at=order().created_at, status=orders_pb2.ORDER_STATUS_PROCESSING, message="Received."
    )
    gateway.orders.answers["BatchListOrderTimelines"] = orders_pb2.BatchListOrderTimelinesResponse(
        timelines=[orders_pb2.OrderTimeline(order_id=ORDER_ID, entries=[entry])]
    )
    answer = await ann.ask(ALL, id=PLAN.id)
    bought = answer.data["purchaseESIM"]["order"]
    assert bought["esims"] == [{"iccid": esim().iccid}]
    assert bought["reassigned"] is False
    assert [(e["status"], e["message"]) for e in bought["timeline"]] == [
        ("PROCESSING", "Received.")
    ]


@pytest.mark.parametrize("reason", ["PRICE_CHANGED", "ESIM_INCOMPATIBLE", "NOT_SOLD_NOW"])
async def test_a_failed_order_has_its_failure_code(
    gateway: Gateway, ann: Client, reason: str
) -> None:
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(
        order=order(status=orders_pb2.ORDER_STATUS_FAILED, failure_reason=reason)
    )
    answer = await ann.ask(NOTHING_MORE, id=PLAN.id)
    assert answer.data["purchaseESIM"]["success"] is False
    assert answer.data["purchaseESIM"]["code"] == reason


async def test_unused_only_reaches_the_service(gateway: Gateway, ann: Client) -> None:
    await ann.ask(
        "mutation($id: ID!) { cancelOrder(orderId: $id, unusedOnly: true) { success } }",
        id=ORDER_ID,
    )
    assert gateway.orders.requests == [
        orders_pb2.CancelOrderRequest(order_id=ORDER_ID, unused_only=True)
    ]


CANCELLATION = """cancellation { extent code reason currency refundTotal refundTotalExact
  bundles { iccid refund } }"""


async def test_cancellations_of_all_orders_take_one_call_and_only_when_selected(
    gateway: Gateway, ann: Client
) -> None:
    ids = [ORDER_ID, str(uuid4()), str(uuid4())]
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(
        orders=[order(id=id_) for id_ in ids]
    )
    gateway.orders.answers["BatchGetCancellations"] = orders_pb2.BatchGetCancellationsResponse(
        cancellations=[
            orders_pb2.OrderCancellation(
                order_id=ids[1],
                extent=orders_pb2.CANCELLATION_EXTENT_UNUSED_PART,
                code="ORDER_IN_USE",
                message="In use.",
                bundles=[
                    orders_pb2.RevokedAssignment(iccid="1", refund=refund)
                    for refund in (
                        orders_pb2.REFUND_RESULT_BALANCE,
                        orders_pb2.REFUND_RESULT_UNSPECIFIED,
                    )
                ],
                refund_total=money.to_proto(Decimal("1.365"), "USD"),
            ),
            orders_pb2.OrderCancellation(
                order_id=ids[0], extent=orders_pb2.CANCELLATION_EXTENT_WHOLE
            ),
        ]
    )
    await ann.ask("{ myOrders(first: 3) { id } }")
    called = [type(r).__name__ for r in gateway.orders.requests]
    assert "BatchGetCancellationsRequest" not in called
    for _ in range(2):  # the second time runs the compiled plan
        gateway.orders.requests.clear()
        answer = await ann.ask(f"{{ myOrders(first: 3) {{ id {CANCELLATION} }} }}")
        cancellations = [found["cancellation"] for found in answer.data["myOrders"]]
        assert cancellations[1] == {
            "extent": "UNUSED_PART",
            "code": "ORDER_IN_USE",
            "reason": "In use.",
            "currency": "USD",
            "refundTotal": 1.365,
            "refundTotalExact": "1.365",
            "bundles": [{"iccid": "1", "refund": "BALANCE"}, {"iccid": "1", "refund": None}],
        }
        assert (cancellations[0]["extent"], cancellations[0]["code"], cancellations[2]) == (
            "WHOLE",
            None,
            None,
        )
        (preview,) = [
            r
            for r in gateway.orders.requests
            if isinstance(r, orders_pb2.BatchGetCancellationsRequest)
        ]
        assert sorted(preview.order_ids) == sorted(ids)


async def test_a_reached_purchase_limit_is_data_with_the_seconds_to_wait(
    gateway: Gateway, ann: Client
) -> None:
    gateway.orders.answers["CreateOrder"] = Failure(
        Kind.REFUSED, "PURCHASE_LIMIT_CUSTOMER_HOUR_ORDERS", "Wait.", retry_after=61.0
    )
    answer = await ann.ask(
        "mutation($id: ID!) { purchaseESIM(planId: $id)"
        " { success error code retryAfter order { id } } }",
        id=PLAN.id,
    )
    assert answer.data["purchaseESIM"] == {
        "success": False,
        "error": "Wait.",
        "code": "PURCHASE_LIMIT_CUSTOMER_HOUR_ORDERS",
        "retryAfter": 61.0,
        "order": None,
    }
