"""Slow or stuck readers: their backlog is bounded, and only the latest state is queued."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace

import pytest

from gateway.__main__ import serve
from gateway.upstream.watch import watch
from kit.errors import Failure, Kind
from kit.http.settings import HTTPSettings
from protos.esims.v1 import esims_pb2
from tests.fixtures.answers.changes import Changes
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import esim
from tests.fixtures.patience import PATIENCE
from tests.fixtures.sandboxes import Serving
from tests.fixtures.sockets import begin, frame


def numbers(message: dict[str, int]) -> Iterable[tuple[str, int]]:
    return message.items()


async def test_a_slow_reader_gets_the_latest_state_of_each_object() -> None:
    sent = asyncio.Event()

    async def stream() -> AsyncGenerator[dict[str, int], None]:
        yield {"a": 0, "b": 0}
        for number in range(1, 1_000):
            yield {"a": number}
        yield {"b": 1}
        sent.set()
        await asyncio.Event().wait()

    async with aclosing(watch(stream, numbers)) as steps:
        received = [await anext(steps)]
        await sent.wait()
        while 1 not in received[-1]:
            received.append(await anext(steps))
    assert len(received) <= 2
    assert received[-1] in ([999, 1], [1, 999])


async def test_a_stream_that_fails_with_not_found_is_not_retried() -> None:
    calls = 0

    async def stream() -> AsyncGenerator[dict[str, int], None]:
        nonlocal calls
        calls += 1
        if calls:
            raise Failure(Kind.NOT_FOUND, "NOT_THERE", "There is no such thing")
        yield {}

    with pytest.raises(Failure, match="NOT_THERE"):
        await anext(watch(stream, numbers))
    assert calls == 1


async def test_a_peer_that_never_reads_is_dropped_and_blocks_no_other(
    gateway: Gateway, ann: Client, serving: Serving
) -> None:
    def update(number: int) -> esims_pb2.WatchESIMsResponse:
        esims = [
            esims_pb2.WatchedESIM(esim=esim(str(n), customer_ref=f"{number:06}" + "x" * 150))
            for n in range(500)
        ]
        return esims_pb2.WatchESIMsResponse(esims=esims)

    changes = Changes(update(0))
    gateway.esims.answers["WatchESIMs"] = changes
    settings = replace(gateway.settings, http=HTTPSettings(send_seconds=1))
    async with serving(serve, settings) as port:
        _, writer = await begin(ann, port)
        query = "subscription { myESIMsUpdated { id customerRef } }"
        init, subscribe = (
            {"type": "connection_init", "padding": "x" * 130},
            {"id": "1", "type": "subscribe", "payload": {"query": query, "padding": "x" * 130}},
        )
        writer.write(frame(init) + frame(subscribe))
        await writer.drain()
        await changes.until_open(1)
        async with asyncio.timeout(PATIENCE):
            number = 0
            while changes.open:  # until the gateway has dropped the client
                number += 1
                await changes.publish(update(number))
                await asyncio.sleep(0.01)
        # Kernel buffers hold some MB; without a bound this would never end.
        assert number < 5_000
        writer.transport.abort()
