"""Subscriptions to an order: the current state, every visible change, and only the caller's own orders."""

import asyncio
from typing import Any

import grpc
import pytest

from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Shop, request
from tests.fixtures.patience import PATIENCE
from tests.fixtures.rpc.refusals import reason_of


async def until(stream: Any, *statuses: "orders_pb2.OrderStatus.ValueType") -> orders_pb2.Order:
    async with asyncio.timeout(PATIENCE):
        async for message in stream:
            if message.order.status in statuses:
                return message.order  # type: ignore[no-any-return]  # the stub is untyped here
    raise AssertionError("the stream ended")


async def test_a_watcher_receives_the_cancellation_of_an_order(shop: Shop) -> None:
    buyer = await shop.session("one@example.com")
    async with shop.open() as orders:
        bought = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        watch = orders_pb2.WatchOrderRequest(order_id=bought.id)
        stream = orders.WatchOrder(watch, metadata=buyer)
        completed = await until(stream, orders_pb2.ORDER_STATUS_COMPLETED)
        assert completed == bought
        await orders.CancelOrder(orders_pb2.CancelOrderRequest(order_id=bought.id), metadata=buyer)
        await until(stream, orders_pb2.ORDER_STATUS_CANCELLED, orders_pb2.ORDER_STATUS_REFUNDED)
        stream.cancel()


async def test_another_customers_order_is_not_found(shop: Shop) -> None:
    one, two = await shop.session("one@example.com"), await shop.session("two@example.com")
    async with shop.open() as orders:
        bought = (await orders.CreateOrder(request(shop), metadata=one)).order
        watch = orders_pb2.WatchOrderRequest(order_id=bought.id)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await orders.WatchOrder(watch, metadata=two).read()
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        assert reason_of(raised.value) == "ORDER_NOT_FOUND"


async def test_changes_of_leases_retry_times_and_costs_are_not_sent(shop: Shop) -> None:
    buyer = await shop.session("one@example.com")
    async with shop.open() as orders:
        bought, other = [
            (await orders.CreateOrder(request(shop, idempotency_key=key), metadata=buyer)).order
            for key in ("one", "other")
        ]
        change = "update orders.esim_orders set {} where id = $1::text::uuid"
        # After this message no notice of the purchases can still arrive.
        stream = orders.WatchOrder(orders_pb2.WatchOrderRequest(order_id=other.id), metadata=buyer)
        await until(stream, orders_pb2.ORDER_STATUS_COMPLETED)
        await shop.databases.admin.execute(change.format("status_reason = 'changed'"), other.id)
        async with asyncio.timeout(PATIENCE):
            while (await anext(aiter(stream))).order.status_reason != "changed":
                pass
        stream.cancel()
        stream = orders.WatchOrder(orders_pb2.WatchOrderRequest(order_id=bought.id), metadata=buyer)
        await until(stream, orders_pb2.ORDER_STATUS_COMPLETED)
        for what in (
            *("leased_until = now()", "next_run_at = null", "price_confirmed_at = now()"),
            *("expected_cost = 99", "charged_cost = 99", "rule_version = 99"),
            "status_reason = 'changed'",
        ):
            await shop.databases.admin.execute(change.format(what), bought.id)
        # Changes arrive in order: a message about another order would come first.
        async with asyncio.timeout(PATIENCE):
            assert (await anext(aiter(stream))).order.status_reason == "changed"
        stream.cancel()
