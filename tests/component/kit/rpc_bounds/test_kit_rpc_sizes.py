"""Limits of a gRPC server on the bytes of requests, metadata and unread responses."""

import asyncio
from typing import Any

import grpc
import pytest

from bench.abuse import http2
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from kit.rpc.limits import Limits
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.fixtures.patience import PATIENCE, until
from tests.fixtures.rpc.misbehaving import (
    GET_ORDER,
    LARGE,
    WATCH_ORDER,
    Probe,
    Serving,
    caller,
    send_calls,
    well_behaved,
)


async def test_unread_responses_hold_no_more_than_the_byte_limit(
    serving: Serving, probe: Probe
) -> None:
    limits = Limits(unread_bytes=10 * LARGE, streams=100, unread_seconds=PATIENCE)
    probe.size = LARGE
    async with serving(limits) as running, well_behaved(running) as call:
        unread = running.guard.bounds.unread
        async with (
            caller(running, window=1) as one,
            caller(running, window=1) as two,
            caller(running, window=1) as three,
        ):
            callers = (one, two, three)
            for each in callers:
                await send_calls(each, 40)
            # Each has two responses, a quarter of the byte limit; other calls are refused at once.
            await until(lambda: all(c.answers["RESOURCE_EXHAUSTED"] == 38 for c in callers))
            assert 6 * LARGE < unread.total < 7 * LARGE
            assert len((await call()).order.id) == LARGE
        await until(lambda: unread.total == 0)


async def test_a_client_that_does_not_read_in_time_is_disconnected(
    serving: Serving, probe: Probe
) -> None:
    probe.size = LARGE
    async with (
        serving(Limits(unread_seconds=0.1)) as running,
        well_behaved(running) as call,
        caller(running, window=1) as one,
    ):
        await send_calls(one, 1)
        await asyncio.wait_for(one.closed.wait(), PATIENCE)
        unread = running.guard.bounds.unread
        assert unread.total == 0
        unread._seconds = PATIENCE  # a busy machine is not a client that does not read
        await call()


async def test_an_unread_stream_ends_with_its_connection(serving: Serving, probe: Probe) -> None:
    probe.size = LARGE
    async with serving(Limits(unread_seconds=0.1)) as running, caller(running, window=1) as one:
        await one.send(http2.headers(1, WATCH_ORDER) + http2.request(1, b""))
        await asyncio.wait_for(one.closed.wait(), PATIENCE)
        calls = running.guard.bounds.calls(has_session=False)
        await until(lambda: calls.count == 0)


async def test_a_request_that_is_too_large_is_refused(serving: Serving) -> None:
    async with (
        serving(Limits(request_bytes=1_024)) as running,
        rpc_client.channel(f"127.0.0.1:{running.port}") as channel,
    ):
        stub = orders_pb2_grpc.OrdersServiceStub(channel)
        large = orders_pb2.GetOrderRequest(order_id="x" * 2_000)
        with pytest.raises(Failure) as caught:
            await rpc_client.call(stub.GetOrder, large, token=None, timeout=PATIENCE)
    assert caught.value.kind is Kind.UNAVAILABLE
    assert caught.value.reason == "SERVICE_OVERLOADED"


async def test_metadata_that_is_too_large_is_refused(serving: Serving) -> None:
    async with (
        serving(Limits(metadata_bytes=1_024)) as running,
        rpc_client.channel(f"127.0.0.1:{running.port}") as channel,
    ):
        stub: Any = orders_pb2_grpc.OrdersServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetOrder(orders_pb2.GetOrderRequest(), metadata=(("x-large", "x" * 3_000),))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_metadata_in_many_frames_is_refused_before_the_request(serving: Serving) -> None:
    async with serving(Limits(metadata_bytes=4_096)) as running, caller(running) as one:
        await send_metadata(one, 20_000)
        await until(lambda: one.answers["RESOURCE_EXHAUSTED"] == 1)
        assert not one.closed.is_set()


async def test_a_flood_of_metadata_ends_its_connection(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Limits(metadata_bytes=4_096)) as running, well_behaved(running) as call:
        async with caller(running) as one:
            await send_metadata(one, 60_000)
            await asyncio.wait_for(one.closed.wait(), PATIENCE)
        await call()
    assert "sent a call with 60" in caplog.text


async def send_metadata(to: http2.Caller, size: int) -> None:
    """Open a call with about so many bytes of metadata, in several frames, without a request."""
    extra = [(f"x-{number:03}", "x" * 1_995) for number in range(size // 2_000)]
    whole = http2.headers(1, GET_ORDER, extra=extra)[9:]
    parts = [whole[start : start + 2_500] for start in range(0, len(whole), 2_500)]
    for number, part in enumerate(parts):
        kind = http2.CONTINUATION if number else http2.HEADERS
        flags = http2.END_HEADERS if number == len(parts) - 1 else 0
        await to.send(http2.frame(kind, flags, 1, part))
