"""Purchases with an unclear outcome, disconnecting callers, and services that die midway."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Shop, is_explained, outcomes, reaches, request
from tests.component.orders.stand_ins import AWAY
from tests.fixtures.patience import until

COMPLETED = orders_pb2.ORDER_STATUS_COMPLETED
PROCESSING = orders_pb2.ORDER_STATUS_PROCESSING


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 500}, {"status": 503}])
async def test_a_purchase_with_a_lost_response_is_found_and_not_repeated(
    shop: Shop, fault: dict[str, Any]
) -> None:
    await shop.fault(method="POST", path="/orders", effect="done", **fault)
    async with shop.open(settling=60.0) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert answer.order.status == COMPLETED
    assert shop.charges == 1
    assert await outcomes(shop) == ["PLACED"]


async def test_an_order_that_certainly_had_no_effect_is_placed_again(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="none")
    async with shop.open(settling=0.5) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert answer.order.status == COMPLETED
    assert shop.charges == 1
    assert await outcomes(shop) == ["ABSENT", "PLACED"]


async def test_an_order_that_the_provider_never_accepts_fails_without_a_charge(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", status=500, count=0)
    async with shop.open(settling=0.2) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert answer.order.status == orders_pb2.ORDER_STATUS_FAILED
    assert "not been charged" in answer.order.status_reason
    assert await outcomes(shop) == ["ABSENT", "ABSENT"]
    assert shop.charges == 0


async def test_an_order_is_processing_until_the_outcome_is_certain(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="none")
    async with shop.open(settling=3600.0, purchase_wait=0.5) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
        assert answer.order.status == PROCESSING
        await is_explained(shop, answer.order.id, "we are checking")
    assert await outcomes(shop) == ["UNCLEAR"]
    assert shop.charges == 0


async def test_more_provider_orders_than_attempts_go_to_review(shop: Shop) -> None:
    bundle = shop.catalogue.bundles[shop.plan_id].name
    buyer = await shop.session("b@example.com")
    body = {
        "type": "transaction",
        "assign": True,
        "order": [{"type": "bundle", "quantity": 1, "item": bundle}],
    }
    # An equal purchase is made outside of the platform with the same account.
    headers = {"X-API-Key": "sandbox-api-key"}
    async with shop.http.post(f"{shop.sandbox.url}/orders", json=body, headers=headers) as bought:
        assert bought.status == 200
    await shop.fault(method="POST", path="/orders", drop=True, effect="done")
    async with shop.open() as orders:
        answer = await orders.CreateOrder(request(shop), metadata=buyer)
        shown = await orders.GetOrder(
            orders_pb2.GetOrderRequest(order_id=answer.order.id), metadata=shop.service_key
        )
        processing = orders_pb2.OrderFilter(statuses=[PROCESSING])
        listed = await orders.ListOrders(
            orders_pb2.ListOrdersRequest(filter=processing), metadata=buyer
        )
    assert list(listed.orders) == [answer.order]
    assert answer.order.status == PROCESSING
    assert not answer.order.needs_review
    assert shown.order.needs_review
    assert shop.charges == 2
    assert await outcomes(shop) == ["UNCLEAR"]


async def test_equal_orders_with_lost_responses_are_matched_by_count(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="done", count=2)
    await shop.fault(method="POST", path="/orders", drop=True, effect="none", count=1)
    buyers = [await shop.session(f"b{i}@example.com") for i in range(3)]
    async with shop.open(settling=1.0) as orders:
        answers = await asyncio.gather(
            *(orders.CreateOrder(request(shop), metadata=buyer) for buyer in buyers)
        )
        for answer in answers:
            await reaches(shop, answer.order.id, "COMPLETED")
    assert shop.charges == 3
    references = await shop.databases.admin.fetch(
        "select distinct provider_reference from orders.esim_orders"
    )
    assert len(references) == 3


async def test_a_cancelled_call_does_not_stop_its_order(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", delay_seconds=1)
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        call = orders.CreateOrder(request(shop), metadata=buyer)
        await until(lambda: outcomes(shop))
        call.cancel()
        [row] = await shop.databases.admin.fetch("select id from orders.esim_orders")
        await reaches(shop, str(row["id"]), "COMPLETED")
    assert shop.charges == 1


async def test_a_short_deadline_returns_processing_and_the_order_completes(shop: Shop) -> None:
    shop.esims.may_answer.clear()
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        seconds = 2
        while True:
            try:
                answer = await orders.CreateOrder(request(shop), metadata=buyer, timeout=seconds)
                break
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise
                seconds *= 2  # too short to receive any answer: the key makes it one order
        assert answer.order.status == PROCESSING
        shop.esims.may_answer.set()
        await reaches(shop, answer.order.id, "COMPLETED")
    assert shop.charges == 1


async def test_a_stopping_service_waits_for_the_purchase_in_flight(shop: Shop) -> None:
    shop.esims.may_answer.clear()
    async with shop.open(purchase_wait=0.2) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
        assert answer.order.status == PROCESSING
        # Long after the stop began, at the end of this block.
        asyncio.get_running_loop().call_later(1, shop.esims.may_answer.set)
    assert await shop.stored_status(answer.order.id) == "COMPLETED"
    assert shop.charges == 1


async def test_esims_are_registered_once_their_service_is_back(shop: Shop) -> None:
    shop.esims.failure = AWAY
    async with shop.open(purchase_wait=1.0) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
        assert answer.order.status == PROCESSING
        await is_explained(shop, answer.order.id, "Bought; the eSIMs are being added")
        shop.esims.failure = None
        await reaches(shop, answer.order.id, "COMPLETED")
    assert list(shop.esims.registered) == [answer.order.id]
    assert shop.charges == 1


async def test_a_purchase_that_cannot_be_recorded_is_not_made(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        await shop.databases.admin.execute("revoke insert on orders.esim_orders from orders_system")
        with pytest.raises(grpc.aio.AioRpcError):
            await orders.CreateOrder(request(shop), metadata=buyer)
    assert shop.charges == 0


async def test_an_unreadable_row_of_another_bundle_does_not_block_settlement(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="none")
    rows = [{"orderReference": "odd", "order": [{"item": "another"}]}, {"order": [{"item": "x"}]}]
    await shop.fault(method="GET", path="/orders", status=200, body=rows, count=0)
    async with shop.open(settling=0.5) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert answer.order.status == COMPLETED
    assert shop.charges == 1


@pytest.mark.parametrize("row", [None, 7, {}, {"orderReference": "odd", "order": None}])
async def test_an_unreadable_row_that_may_be_the_purchase_goes_to_review(
    shop: Shop, row: Any
) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="none")
    await shop.fault(method="GET", path="/orders", status=200, body=[row], count=0)
    async with shop.open(settling=0.5) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert await shop.stored_status(answer.order.id) == "NEEDS_REVIEW"
    assert shop.charges == 0


async def test_an_order_listed_with_a_time_before_the_purchase_is_not_bought_again(
    shop: Shop,
) -> None:
    """The provider's time is a local one without a zone: the order looks older than the list requested."""
    bundle = shop.catalogue.bundles[shop.plan_id].name
    local = (datetime.now(UTC) - timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S")
    line = {"type": "bundle", "item": bundle, "quantity": 1}
    row = {"orderReference": "ours", "order": [line], "createdDate": local, "status": "completed"}
    await shop.fault(method="POST", path="/orders", drop=True, effect="done")
    await shop.fault(method="GET", path="/orders", status=200, body=[row], count=0)
    esim = {"iccid": "8943108169900000017", "matchingId": "M", "smdpAddress": "rsp.example"}
    delivered = row | {"order": [line | {"esims": [esim]}]}
    await shop.fault(method="GET", path="/orders/ours", status=200, body=delivered, count=0)
    async with shop.open(settling=0.2) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
        assert await shop.stored_status(answer.order.id) == "NEEDS_REVIEW"
        operator = await shop.session("ops@example.com", admin=True)
        await orders.ResolveOrder(
            orders_pb2.ResolveOrderRequest(
                order_id=answer.order.id, placed_as="ours", note="it is"
            ),
            metadata=operator,
        )
        await reaches(shop, answer.order.id, "COMPLETED")
    assert shop.charges == 1


async def test_a_list_that_is_null_has_no_orders(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="none")
    nothing = {"orders": None, "pageCount": 0}
    await shop.fault(method="GET", path="/orders", status=200, body=nothing, count=0)
    async with shop.open(settling=0.2) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert answer.order.status == COMPLETED
    assert await outcomes(shop) == ["ABSENT", "PLACED"]
