"""What a purchase may say besides a plan, as the orders service is told it and as it answers."""

from decimal import Decimal

import pytest

from kit import money
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ESIM_ID, ORDER_ID, PLAN, esim, order

PURCHASE = """mutation($id: ID!, $input: PurchaseInput) {
  purchaseESIM(planId: $id, input: $input) { success code order { id %s } } }"""
NOTHING_MORE = PURCHASE % ""
ALL = PURCHASE % "reassigned esims { iccid } timeline { at status message }"


async def test_limits_and_the_own_esim_reach_the_service_exactly(
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


async def test_limits_computed_in_floats_reach_the_service_as_meant(
    gateway: Gateway, ann: Client
) -> None:
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


async def test_a_top_up_shows_the_esim_it_was_for_and_how_it_came_about(
    gateway: Gateway, ann: Client
) -> None:
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
    shown = answer.data["purchaseESIM"]["order"]
    assert shown["esims"] == [{"iccid": esim().iccid}]
    assert shown["reassigned"] is False
    assert [(e["status"], e["message"]) for e in shown["timeline"]] == [("PROCESSING", "Received.")]


@pytest.mark.parametrize("reason", ["PRICE_CHANGED", "ESIM_INCOMPATIBLE", "NOT_SOLD_NOW"])
async def test_why_an_order_failed_is_its_code(gateway: Gateway, ann: Client, reason: str) -> None:
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(
        order=order(status=orders_pb2.ORDER_STATUS_FAILED, failure_reason=reason)
    )
    answer = await ann.ask(NOTHING_MORE, id=PLAN.id)
    assert answer.data["purchaseESIM"]["success"] is False
    assert answer.data["purchaseESIM"]["code"] == reason


async def test_only_the_unused_part_is_cancelled_when_asked(gateway: Gateway, ann: Client) -> None:
    await ann.ask(
        "mutation($id: ID!) { cancelOrder(orderId: $id, unusedOnly: true) { success } }",
        id=ORDER_ID,
    )
    assert gateway.orders.requests == [
        orders_pb2.CancelOrderRequest(order_id=ORDER_ID, unused_only=True)
    ]
