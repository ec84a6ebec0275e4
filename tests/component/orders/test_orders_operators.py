"""What operators see of stuck orders, and how they settle them."""

from typing import Any

import asyncpg
import grpc
import pytest

from cli.errors import CommandError
from cli.operators.orders import Orders
from cli.operators.service import Service
from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Metadata, Shop, reaches, request
from tests.fixtures.rpc.refusals import reason_of

REVIEW = "NEEDS_REVIEW"


async def in_review(shop: Shop, orders: Any) -> tuple[orders_pb2.Order, list[str]]:
    """One lost purchase and an equal one made in the portal, so that ownership is undecidable.

    Returns the order and the provider's two references.
    """
    name = shop.catalogue.bundles[shop.plan_id].name
    async with shop.http.post(
        f"{shop.sandbox.url}/orders",
        json={
            "type": "transaction",
            "assign": True,
            "order": [{"type": "bundle", "item": name, "quantity": 1}],
        },
        headers={"X-API-Key": shop.settings.provider.api_key},
    ) as bought:
        assert bought.status == 200
    await shop.fault(method="POST", path="/orders", drop=True, effect="done")
    answer = await orders.CreateOrder(request(shop), metadata=await shop.session("b@example.com"))
    assert answer.order.status == orders_pb2.ORDER_STATUS_PROCESSING
    await reaches(shop, answer.order.id, REVIEW)
    return answer.order, [
        order.reference for order in shop.sandbox.world.orders if order.lines[0].quantity == 1
    ]


def resolve(orders: Any, order: orders_pb2.Order, operator: Metadata, **how: Any) -> Any:
    wanted = orders_pb2.ResolveOrderRequest(**({"order_id": order.id, "note": "asked them"} | how))
    return orders.ResolveOrder(wanted, metadata=operator)


async def refusal(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return reason_of(raised.value)


async def test_an_order_in_review_is_settled_as_placed_and_delivered(shop: Shop) -> None:
    operator = await shop.session("ops@example.com", admin=True)
    async with shop.open(purchase_wait=0.2) as orders:
        order, references = await in_review(shop, orders)
        stuck = await orders.ListStuckOrders(orders_pb2.ListStuckOrdersRequest(), metadata=operator)
        assert [s.order.id for s in stuck.orders] == [order.id]
        assert stuck.orders[0].recovery_point == "ATTEMPTED"
        assert stuck.orders[0].detail
        shown = await orders.GetOrderHistory(
            orders_pb2.GetOrderHistoryRequest(order_id=order.id), metadata=operator
        )
        assert [a.outcome for a in shown.attempts] == ["UNCLEAR"]
        assert {c.reference for c in shown.candidates} == set(references)
        assert {c.order_id for c in shown.candidates} == {""}
        await resolve(orders, order, operator, placed_as=references[0])
        await reaches(shop, order.id, "COMPLETED")
        after = await orders.GetOrderHistory(
            orders_pb2.GetOrderHistoryRequest(order_id=order.id), metadata=operator
        )
        assert {c.reference: c.order_id for c in after.candidates}[references[0]] == order.id
        [other] = [c for c in after.candidates if c.reference == references[1]]
        assert other.order_id == ""
        step = next(s for s in after.steps if s.reason == "resolved: placed")
        assert step.note == "asked them"
        assert step.actor == str(await shop.auth.user_id("ops@example.com"))
        timelines = await orders.BatchListOrderTimelines(
            orders_pb2.BatchListOrderTimelinesRequest(order_ids=[order.id]),
            metadata=await shop.session("b@example.com"),
        )
    messages = [entry.message for entry in timelines.timelines[0].entries]
    assert messages[0] == "The order was received."
    assert messages[-1] == "The order is complete."
    assert "Our staff found that the order had been placed." in messages
    assert "asked them" not in str(timelines)
    assert shop.charges == 2


async def test_an_order_in_review_is_settled_as_not_bought(shop: Shop) -> None:
    operator = await shop.session("ops@example.com", admin=True)
    async with shop.open(purchase_wait=0.2) as orders:
        order, _ = await in_review(shop, orders)
        answer = await resolve(orders, order, operator, not_bought=True)
        assert answer.order.order.status == orders_pb2.ORDER_STATUS_FAILED
        assert answer.order.order.failure_reason == "NOT_BOUGHT"
        again = resolve(orders, order, operator, not_bought=True)
        assert await refusal(again) == "ORDER_NOT_IN_REVIEW"
        resumed = orders.ResumeOrder(
            orders_pb2.ResumeOrderRequest(order_id=order.id), metadata=operator
        )
        assert await refusal(resumed) == "ORDER_NOT_STUCK"


async def test_a_provider_reference_settles_one_order_and_must_match_it(shop: Shop) -> None:
    operator = await shop.session("ops@example.com", admin=True)
    async with shop.open() as orders:
        buyer = await shop.session("a@example.com")
        taken = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        double = (
            await orders.CreateOrder(
                request(shop, quantity=2, idempotency_key="two"), metadata=buyer
            )
        ).order
        order, _ = await in_review(shop, orders)
        cases = {
            double.reference: "REFERENCE_MISMATCH",
            "no-such-order": "REFERENCE_MISMATCH",
            taken.reference: "REFERENCE_TAKEN",
        }
        for reference, reason in cases.items():
            assert await refusal(resolve(orders, order, operator, placed_as=reference)) == reason
        paid_back = resolve(orders, order, operator, paid_back=True)
        assert await refusal(paid_back) == "RESOLUTION_DOES_NOT_FIT"
        without_note = resolve(orders, order, operator, not_bought=True, note=" ")
        assert await refusal(without_note) == "INVALID_ARGUMENT"
    assert await shop.stored_status(order.id) == REVIEW


async def test_a_resumed_order_is_settled_by_the_usual_rules(shop: Shop) -> None:
    operator = await shop.session("ops@example.com", admin=True)
    async with shop.open(purchase_wait=0.2) as orders:
        order, references = await in_review(shop, orders)
        await orders.ResumeOrder(
            orders_pb2.ResumeOrderRequest(order_id=order.id, note="again"), metadata=operator
        )
        await reaches(shop, order.id, REVIEW)
        assert len(references) == shop.charges == 2


async def test_the_database_refuses_another_attempt_for_an_order_in_review(shop: Shop) -> None:
    async with shop.open(purchase_wait=0.2) as orders:
        order, _ = await in_review(shop, orders)
    with pytest.raises(asyncpg.UniqueViolationError):
        await shop.databases.admin.execute(
            "insert into orders.order_attempts (order_id, bundle_name, quantity)"
            " values ($1::text::uuid, 'b', 1)",
            order.id,
        )


async def test_the_command_line_shows_and_settles_an_order_in_review(shop: Shop) -> None:
    token = await shop.auth.token("ops@example.com", admin=True)
    async with shop.open(purchase_wait=0.2) as orders:
        order, references = await in_review(shop, orders)
        commands = Orders(Service(orders, token, "unavailable: {}"))
        [line] = await commands.stuck(900)
        assert order.id in line
        assert "NEEDS_REVIEW" in line
        shown = "\n".join(await commands.show(order.id))
        assert "UNCLEAR" in shown
        assert all(reference in shown for reference in references)
        with pytest.raises(CommandError, match="REFERENCE_MISMATCH"):
            await commands.resolve(
                order.id, "typed", placed_as="wrong", not_bought=False, paid_back=False
            )
        await commands.resolve(
            order.id, "asked", placed_as=references[1], not_bought=False, paid_back=False
        )
        await reaches(shop, order.id, "COMPLETED")
        assert await commands.stuck(900) == ["no order is stuck"]
        assert "(asked)" in "\n".join(await commands.show(order.id))
