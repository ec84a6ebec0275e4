"""Limits of a gRPC server on calls, connections and the time that they take."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from bench.abuse import http2
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from kit.rpc import readiness
from kit.rpc.limits import Limits
from tests.fixtures.patience import PATIENCE, until
from tests.fixtures.rpc.health import SERVING, health
from tests.fixtures.rpc.misbehaving import GET_ORDER, Probe, Serving, caller, well_behaved
from tests.fixtures.sandboxes import Auth

CHECK, WATCH_HEALTH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"


async def test_idle_calls_of_one_connection_leave_slots_for_others(
    serving: Serving, auth: Auth
) -> None:
    async with (
        serving(Limits(calls_without_session=10, streams=100, request_seconds=PATIENCE)) as running,
        well_behaved(running) as call,
        caller(running) as one,
    ):
        for stream in range(1, 61, 2):
            await one.send(http2.headers(stream, GET_ORDER))
        await until(lambda: one.answers["RESOURCE_EXHAUSTED"] == 20)
        await call()
        await call(auth.service_role_key)
        await until(lambda: one.answers["RESOURCE_EXHAUSTED"] == 21)


async def test_calls_with_a_session_have_their_own_slots(
    serving: Serving, probe: Probe, auth: Auth
) -> None:
    probe.may_answer.clear()
    async with (
        serving(Limits(calls_without_session=1, calls=1)) as running,
        well_behaved(running) as call,
        well_behaved(running) as another,
    ):
        first = [asyncio.create_task(call(t)) for t in (None, auth.service_role_key)]
        await until(lambda: probe.running == 2)
        for token in (None, auth.service_role_key):
            with pytest.raises(Failure) as caught:
                await another(token)
            assert caught.value.kind is Kind.EXHAUSTED
            assert caught.value.reason == "TOO_MANY_CALLS"
            assert caught.value.retry_after == 1.0
        probe.may_answer.set()
        await asyncio.gather(*first)


async def test_calls_without_a_session_are_limited(serving: Serving, probe: Probe) -> None:
    async with serving(Limits(calls_at_work=2)) as running, well_behaved(running) as call:
        await call()
        probe.running = 0
        probe.may_answer.clear()
        calls = [asyncio.create_task(call()) for _ in range(10)]
        counted = running.guard.bounds.calls(has_session=False)
        slots = running.guard.bounds.slots
        await until(lambda: sum(map(len, slots._waiting.values())) == 8)
        await until(lambda: probe.running >= 2)
        assert (counted.count, probe.running) == (10, 2)
        probe.may_answer.set()
        await asyncio.gather(*calls)


async def test_a_call_whose_request_does_not_arrive_times_out(serving: Serving) -> None:
    async with serving(Limits(request_seconds=0.1)) as running, caller(running) as one:
        await one.send(http2.headers(1, GET_ORDER))
        await until(lambda: one.answers["DEADLINE_EXCEEDED"] == 1)


async def test_a_call_without_a_request_is_refused(serving: Serving) -> None:
    async with serving(Limits()) as running, caller(running) as one:
        end = http2.frame(http2.DATA, http2.END_STREAM, 1)
        await one.send(http2.headers(1, GET_ORDER) + end)
        await until(lambda: one.answers["code 3"] == 1)  # INVALID_ARGUMENT


async def test_the_platforms_clients_open_another_connection_for_more_calls(
    serving: Serving, probe: Probe
) -> None:
    probe.may_answer.clear()
    async with (
        serving(Limits(streams=4, calls_at_work=100)) as running,
        well_behaved(running) as call,
    ):
        calls = [asyncio.create_task(call()) for _ in range(10)]
        counted = running.guard.bounds.calls(has_session=False)
        await until(lambda: counted.count == 10)
        probe.may_answer.set()
        await asyncio.gather(*calls)


async def test_a_connection_above_the_limit_is_closed(serving: Serving) -> None:
    async with (
        serving(Limits(connections=2)) as running,
        caller(running) as one,
        caller(running),
        caller(running) as third,
    ):
        await asyncio.wait_for(third.closed.wait(), PATIENCE)
        assert not one.closed.is_set()


async def test_a_flood_of_resets_does_not_cancel_calls_of_other_connections(
    serving: Serving,
) -> None:
    async with (
        serving(Limits(streams=10)) as running,
        well_behaved(running) as call,
        caller(running) as one,
        rpc_client.channel(f"127.0.0.1:{running.port}") as channel,
    ):

        async def flood() -> None:
            for stream in range(1, 100_000, 2):
                await one.send(
                    http2.headers(stream, CHECK) + http2.request(stream, b"") + http2.reset(stream)
                )

        flooding = asyncio.create_task(flood())
        while not flooding.done():
            await call()
            assert await health(channel) == SERVING
            assert readiness.ready()
        await flooding


async def test_a_health_watcher_that_does_not_read_blocks_no_other(serving: Serving) -> None:
    async with serving(Limits()) as running, caller(running, window=0) as one:
        await one.send(http2.headers(1, WATCH_HEALTH) + http2.request(1, b""))
        counted = running.guard.bounds.calls(has_session=False)
        await until(lambda: counted.count == 1)
        async with asyncio.timeout(PATIENCE):
            for serving_now in (False, True, False, True):
                running.health.set("", serving=serving_now)
            await running.stop(drain=0, grace=0)


async def test_health_and_reflection_calls_count_against_the_limits(serving: Serving) -> None:
    async with (
        serving(Limits(calls_without_session=3)) as running,
        rpc_client.channel(f"127.0.0.1:{running.port}") as channel,
    ):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
        for watch in watches:
            await anext(aiter(watch))
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub
        talk = reflection(channel).ServerReflectionInfo()
        await talk.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        await talk.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health(channel)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        watches[0].cancel()
        counted = running.guard.bounds.calls(has_session=False)
        await until(lambda: counted.count == 2)
        await health(channel)


async def test_a_stopping_or_stopped_server_is_not_ready(serving: Serving) -> None:
    assert readiness.ready() is None
    async with serving(Limits()) as running:
        assert readiness.ready() is True
        running.health.stop()
        assert readiness.ready() is False
    assert readiness.ready() is None


async def test_a_call_dropped_by_the_server_is_unavailable_and_not_cancelled(
    serving: Serving, probe: Probe, auth: Auth
) -> None:
    probe.may_answer.clear()
    async with serving(Limits()) as running, well_behaved(running) as call:
        dropped, given_up = (asyncio.create_task(call(auth.service_role_key)) for _ in range(2))
        await until(lambda: probe.running == 2)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        await running.server.stop(0)  # cancels running calls
        with pytest.raises(Failure) as caught:
            await dropped
    assert caught.value.kind is Kind.UNAVAILABLE
