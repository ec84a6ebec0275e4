"""Buying over gRPC: what is recorded, what is paid, and what is refused."""

import asyncio
from decimal import Decimal

import grpc
import pytest

from kit.values import money
from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Shop, is_explained, reaches, request
from tests.fixtures.rpc.refusals import reason_of


async def test_an_order_is_paid_delivered_and_completed(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as orders:
        wanted = request(shop, quantity=2, customer_reference=" Lisbon ", auto_activate=True)
        answer = await orders.CreateOrder(wanted, metadata=buyer)
        listed = await orders.ListOrderAssignments(
            orders_pb2.ListOrderAssignmentsRequest(order_id=answer.order.id), metadata=buyer
        )
    order = answer.order
    price = shop.catalogue.bundles[shop.plan_id].price
    assert order.status == orders_pb2.ORDER_STATUS_COMPLETED
    assert not answer.repeated_request
    assert shop.sandbox.world.orders.get(order.reference) is not None
    assert money.from_proto(order.unit_price) == price
    assert money.from_proto(order.total_price) == 2 * price
    assert (order.customer_reference, order.auto_activate) == ("Lisbon", True)
    assert order.customer_id == str(await shop.auth.user_id("buyer@example.com"))
    assert shop.charges == 1
    sold = [e for line in shop.sandbox.world.orders[order.reference].lines for e in line.iccids]
    assert [a.iccid for a in listed.assignments] == sold
    assert all(a.matching_id and "://" not in a.smdp_address for a in listed.assignments)
    registration = shop.esims.registered[order.id]
    assert [e.iccid for e in registration.esims] == sold
    assert (registration.order_reference, registration.auto_activate) == (order.reference, True)
    assert shop.esims.tokens == {f"Bearer {shop.auth.service_role_key}"}
    assert shop.catalogue.tokens == [f"Bearer {shop.auth.service_role_key}"]


async def test_no_log_line_contains_install_details_or_credentials(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    buyer = await shop.session("buyer@example.com")
    await shop.fault(method="POST", path="/orders", drop=True, effect="done")
    async with shop.open() as orders:
        answer = await orders.CreateOrder(request(shop), metadata=buyer)
    [esim] = shop.esims.registered[answer.order.id].esims
    assert "provider call failed" in caplog.text
    for secret in (esim.matching_id, "sandbox-api-key", shop.auth.service_role_key, buyer[0][1]):
        assert secret not in caplog.text


async def test_no_order_is_recorded_while_the_catalogue_is_unavailable(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open(catalogue_address="localhost:1") as orders:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await orders.CreateOrder(request(shop), metadata=buyer)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await shop.databases.admin.fetchval("select count(*) from orders.esim_orders") == 0


async def test_every_step_is_recorded_as_an_event(shop: Shop) -> None:
    async with shop.open() as orders:
        await orders.CreateOrder(request(shop), metadata=await shop.session("b@example.com"))
    events = await shop.databases.admin.fetch(
        "select from_status, to_status, reason from orders.order_events order by id"
    )
    assert [event["reason"] for event in events] == [
        "claimed",
        "asking the provider",
        "placed",
        "registered",
        "completed",
    ]
    assert (events[-1]["from_status"], events[-1]["to_status"]) == ("PROCESSING", "COMPLETED")


async def test_the_same_key_and_request_return_the_same_order(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as orders:
        first = await orders.CreateOrder(request(shop), metadata=buyer)
        again = await orders.CreateOrder(request(shop), metadata=buyer)
    assert again.repeated_request
    assert again.order == first.order
    assert shop.charges == 1


@pytest.mark.parametrize("change", [{"quantity": 2}, {"customer_reference": "other"}])
async def test_the_same_key_with_another_request_is_a_conflict(
    shop: Shop, change: dict[str, object]
) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as orders:
        await orders.CreateOrder(request(shop), metadata=buyer)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await orders.CreateOrder(request(shop, **change), metadata=buyer)
    assert raised.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert reason_of(raised.value) == "IDEMPOTENCY_CONFLICT"
    assert shop.charges == 1


async def test_the_same_key_of_another_customer_creates_another_order(shop: Shop) -> None:
    async with shop.open() as orders:
        one = await orders.CreateOrder(request(shop), metadata=await shop.session("a@example.com"))
        two = await orders.CreateOrder(request(shop), metadata=await shop.session("b@example.com"))
    assert one.order.id != two.order.id
    assert shop.charges == 2


async def test_without_a_key_every_call_places_an_order(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as orders:
        for _ in range(2):
            await orders.CreateOrder(request(shop, idempotency_key=""), metadata=buyer)
    assert shop.charges == 2


async def test_twenty_concurrent_calls_with_one_key_are_charged_once(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")
    async with shop.open() as orders:
        calls = (orders.CreateOrder(request(shop), metadata=buyer) for _ in range(20))
        answers = await asyncio.gather(*calls)
    assert len({answer.order.id for answer in answers}) == 1
    assert sum(not answer.repeated_request for answer in answers) == 1
    assert {answer.order.status for answer in answers} == {orders_pb2.ORDER_STATUS_COMPLETED}
    assert shop.charges == 1


async def test_a_large_order_completes_when_the_provider_is_ready(shop: Shop) -> None:
    shop.sandbox.world.switches.async_seconds = 1
    async with shop.open() as orders:
        answer = await orders.CreateOrder(
            request(shop, quantity=10), metadata=await shop.session("b@example.com")
        )
        assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED
    assert len(shop.esims.registered[answer.order.id].esims) == 10


async def test_an_order_in_preparation_is_processing_with_a_reason(shop: Shop) -> None:
    shop.sandbox.world.switches.async_seconds = 3600
    async with shop.open(purchase_wait=0.5) as orders:
        answer = await orders.CreateOrder(
            request(shop, quantity=6), metadata=await shop.session("b@example.com")
        )
        assert answer.order.status == orders_pb2.ORDER_STATUS_PROCESSING
        await is_explained(shop, answer.order.id, "preparing")
        assert (await shop.row(answer.order.id))["provider_reference"]
        await shop.control("clock/advance", hours=2)
        await reaches(shop, answer.order.id, "COMPLETED")
    assert shop.charges == 1


async def test_an_order_that_the_provider_abandons_goes_to_review(shop: Shop) -> None:
    shop.sandbox.world.switches.async_status = "failed"
    shop.sandbox.world.switches.async_seconds = 3600
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        answer = await orders.CreateOrder(request(shop, quantity=6), metadata=buyer)
        assert answer.order.status == orders_pb2.ORDER_STATUS_PROCESSING
        assert not answer.order.needs_review
        shown = await orders.GetOrder(
            orders_pb2.GetOrderRequest(order_id=answer.order.id), metadata=shop.service_key
        )
    assert shown.order.needs_review


async def test_an_insufficient_balance_fails_the_order_with_our_own_message(shop: Shop) -> None:
    await shop.control("balance", set=0)
    async with shop.open() as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert answer.order.status == orders_pb2.ORDER_STATUS_FAILED
    assert "cannot sell this right now" in answer.order.status_reason
    assert "balance" not in answer.order.status_reason
    assert "insufficient balance" in (await shop.row(answer.order.id))["operator_detail"]
    assert shop.charges == 0


async def test_a_rate_limited_purchase_is_retried(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", status=429, headers={"Retry-After": "1"})
    async with shop.open() as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED
    assert shop.charges == 1


async def test_an_unknown_or_withdrawn_plan_records_no_order(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    shop.catalogue.withdrawn.add(shop.plan_id)
    unknown = "11111111-1111-4111-8111-111111111111"
    async with shop.open() as orders:
        for plan_id, reason in ((shop.plan_id, "PLAN_UNAVAILABLE"), (unknown, "PLAN_NOT_FOUND")):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await orders.CreateOrder(request(shop, plan_id=plan_id), metadata=buyer)
            assert reason_of(raised.value) == reason
    assert await shop.databases.admin.fetchval("select count(*) from orders.esim_orders") == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": 11}, "quantity"),
        ({"plan_id": "no-uuid"}, "plan_id"),
        ({"customer_reference": "x" * 101}, "customer_reference"),
        ({"customer_reference": "a\nb"}, "customer_reference"),
        ({"idempotency_key": "with space"}, "idempotency_key"),
        ({"idempotency_key": "k" * 201}, "idempotency_key"),
    ],
)
async def test_bad_input_is_refused_with_the_field_name(
    shop: Shop, change: dict[str, object], field: str
) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await orders.CreateOrder(request(shop, **change), metadata=buyer)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(raised.value.details())


async def test_the_service_key_alone_cannot_buy(shop: Shop) -> None:
    async with shop.open() as orders:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await orders.CreateOrder(request(shop), metadata=shop.service_key)
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(raised.value) == "CUSTOMER_SESSION_REQUIRED"


async def test_validating_returns_the_price_and_buys_nothing(shop: Shop) -> None:
    shop.sandbox.world.switches.validate_checks_balance = True
    buyer = await shop.session("b@example.com")
    wanted = orders_pb2.ValidateOrderRequest(plan_id=shop.plan_id, quantity=3)
    async with shop.open() as orders:
        good = await orders.ValidateOrder(wanted, metadata=buyer)
        await shop.control("balance", set=0)
        bad = await orders.ValidateOrder(wanted, metadata=buyer)
    price = shop.catalogue.bundles[shop.plan_id].price
    assert good.valid
    assert money.from_proto(good.total_price) == 3 * price > Decimal(0)
    assert not bad.valid
    assert "cannot sell" in bad.reason
    assert shop.charges == 0
    assert await shop.databases.admin.fetchval("select count(*) from orders.esim_orders") == 0
