"""What a WebSocket may carry and how many there may be: at each limit it passes, one above is refused."""

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from gateway.__main__ import serve
from gateway.socket_protocol import LONGEST_ID, MOST_OPERATIONS
from protos.esims.v1 import esims_pb2
from tests.fixtures.changes import Changes
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.neighbours import Serving
from tests.fixtures.sockets import connected, opened

EVENTS = {"Accept": "text/event-stream"}


async def test_a_message_on_a_socket_has_so_many_bytes(gateway: Gateway, ann: Client) -> None:
    most = gateway.settings.max_body
    ping = json.dumps({"type": "ping", "payload": {"x": ""}})
    async with connected(ann) as socket:
        await socket.socket.send_str(ping.replace('""', '"' + "x" * (most - 1 - len(ping)) + '"'))
        assert await socket.receive() == {"type": "pong"}
        await socket.socket.send_str(ping.replace('""', '"' + "x" * (most + 1 - len(ping)) + '"'))
        assert (await socket.closed())[0] == 1009


async def test_an_operation_on_a_socket_has_an_id_of_so_many_characters(ann: Client) -> None:
    payload: Any = {"query": "{ __typename }"}
    async with connected(ann) as socket:
        await socket.send(id="x" * LONGEST_ID, type="subscribe", payload=payload)
        assert (await socket.receive())["type"] == "next"
        assert (await socket.receive())["type"] == "complete"
        await socket.send(id="x" * (LONGEST_ID + 1), type="subscribe", payload=payload)
        assert (await socket.closed())[0] == 4400


async def test_a_socket_carries_so_many_operations(gateway: Gateway, ann: Client) -> None:
    changes = Changes(esims_pb2.WatchESIMsResponse())
    gateway.esims.answers["WatchESIMs"] = changes
    async with connected(ann) as socket:
        for _ in range(MOST_OPERATIONS):
            await socket.subscribe("subscription { myESIMsUpdated { id } }")
        await changes.until_open(MOST_OPERATIONS)
        last = await socket.subscribe("{ __typename }")
        while (message := await socket.receive())["id"] != last:
            assert message["type"] == "next"
        assert message["payload"][0]["extensions"] == {"code": "TOO_MANY_OPERATIONS"}
        assert str(MOST_OPERATIONS) in message["payload"][0]["message"]


async def test_a_process_has_so_many_sockets_and_so_many_streams(
    gateway: Gateway, ann: Client, serving: Serving
) -> None:
    changes = Changes(esims_pb2.WatchESIMsResponse())
    gateway.esims.answers["WatchESIMs"] = changes
    async with AsyncExitStack() as open_:
        settings = replace(gateway.settings, max_sockets=2)
        port = await open_.enter_async_context(serving(serve, settings))
        client = replace(ann, url=f"http://127.0.0.1:{port}")
        for _ in range(2):
            await open_.enter_async_context(connected(client))
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            async with opened(client):
                pass

        body = {"query": "subscription { myESIMsUpdated { id } }"}
        headers = EVENTS | {"Authorization": f"Bearer {client.token}"}

        async def follow() -> aiohttp.ClientResponse:
            asked = client.http.post(f"{client.url}/graphql", json=body, headers=headers)
            return await open_.enter_async_context(asked)

        assert [(await follow()).status for _ in range(3)] == [200, 200, 503]
