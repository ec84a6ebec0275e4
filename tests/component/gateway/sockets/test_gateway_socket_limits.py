"""WebSocket limits: the maximum passes, one more is refused."""

import asyncio
import json
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest

from gateway.http.rate_limits import BURST
from gateway.http.socket_protocol import MAX_ID, MAX_OPERATIONS
from gateway.http.socket_settings import SocketSettings
from protos.esims.v1 import esims_pb2
from tests.fixtures.answers.changes import Changes
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.sockets import begin, connected, frame, opened

EVENTS = {"Accept": "text/event-stream"}


async def test_the_size_of_a_socket_message_is_limited(gateway: Gateway, ann: Client) -> None:
    most = gateway.settings.max_body
    ping = json.dumps({"type": "ping", "payload": {"x": ""}})
    async with connected(ann) as socket:
        await socket.socket.send_str(ping.replace('""', '"' + "x" * (most - 1 - len(ping)) + '"'))
        assert await socket.receive() == {"type": "pong"}
        await socket.socket.send_str(ping.replace('""', '"' + "x" * (most + 1 - len(ping)) + '"'))
        assert (await socket.closed())[0] == 1009


async def test_the_length_of_an_operation_id_is_limited(ann: Client) -> None:
    payload: Any = {"query": "{ __typename }"}
    async with connected(ann) as socket:
        await socket.send(id="x" * MAX_ID, type="subscribe", payload=payload)
        assert (await socket.receive())["type"] == "next"
        assert (await socket.receive())["type"] == "complete"
        await socket.send(id="x" * (MAX_ID + 1), type="subscribe", payload=payload)
        assert (await socket.closed())[0] == 4400


async def test_the_operations_of_a_socket_are_limited(gateway: Gateway, ann: Client) -> None:
    changes = Changes(esims_pb2.WatchESIMsResponse())
    gateway.esims.answers["WatchESIMs"] = changes
    async with connected(ann) as socket:
        for _ in range(MAX_OPERATIONS):
            await socket.subscribe("subscription { myESIMsUpdated { id } }")
        await changes.until_open(MAX_OPERATIONS)
        last = await socket.subscribe("{ __typename }")
        while (message := await socket.receive())["id"] != last:
            assert message["type"] == "next"
        assert message["payload"][0]["extensions"] == {"code": "TOO_MANY_OPERATIONS"}
        assert str(MAX_OPERATIONS) in message["payload"][0]["message"]


async def test_the_sockets_and_streams_of_a_process_are_limited(
    gateway: Gateway, ann: Client
) -> None:
    changes = Changes(esims_pb2.WatchESIMsResponse())
    gateway.esims.answers["WatchESIMs"] = changes
    async with AsyncExitStack() as open_:
        client = await open_.enter_async_context(
            gateway.another(ann, sockets=SocketSettings(max_open=2))
        )
        for _ in range(2):
            await open_.enter_async_context(connected(client))
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            async with opened(client):
                pass

        body = {"query": "subscription { myESIMsUpdated { id } }"}
        headers = EVENTS | {"Authorization": f"Bearer {client.token}"}

        async def follow() -> aiohttp.ClientResponse:
            sending = client.http.post(f"{client.url}/graphql", json=body, headers=headers)
            return await open_.enter_async_context(sending)

        assert [(await follow()).status for _ in range(3)] == [200, 200, 503]


@pytest.mark.parametrize("bound", ["per_address", "per_user"])
async def test_the_sockets_and_streams_of_an_address_and_a_user_are_limited(
    gateway: Gateway, ann: Client, bound: str
) -> None:
    changes = Changes(esims_pb2.WatchESIMsResponse())
    gateway.esims.answers["WatchESIMs"] = changes
    async with AsyncExitStack() as open_:
        bounds = replace(SocketSettings(), **{bound: 2})
        client = await open_.enter_async_context(gateway.another(ann, sockets=bounds))
        sockets = [await open_.enter_async_context(connected(client)) for _ in range(2)]

        async def one_more() -> tuple[int | None, str]:
            try:
                async with opened(client) as socket:
                    payload = {"Authorization": f"Bearer {client.token}"}
                    await socket.send(type="connection_init", payload=payload)
                    message = await socket.socket.receive()
                    return socket.socket.close_code, str(message.extra)
            except aiohttp.WSServerHandshakeError as error:
                return error.status, str(error.headers)

        code, text = await one_more()
        if bound == "per_user":
            assert (code, "user already has 2 open WebSockets" in text) == (1013, True)
        else:
            assert (code, "Retry-After" in text) == (429, True)
        await sockets[0].socket.close()
        async with asyncio.timeout(PATIENCE):
            while (await one_more())[0] in (429, 1013):
                await asyncio.sleep(0.01)

        body = {"query": "subscription { myESIMsUpdated { id } }"}
        headers = EVENTS | {"Authorization": f"Bearer {client.token}"}

        async def follow() -> aiohttp.ClientResponse:
            sending = client.http.post(f"{client.url}/graphql", json=body, headers=headers)
            return await open_.enter_async_context(sending)

        answers = [await follow() for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        (error,) = (await answers[2].json(content_type=None))["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert error["extensions"]["reason"] == "TOO_MANY_CONNECTIONS"
        assert "close one" in error["message"]


async def test_clients_behind_a_trusted_proxy_have_separate_limits(
    gateway: Gateway, ann: Client
) -> None:
    defence = replace(gateway.settings.defence, trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with AsyncExitStack() as open_:
        client = await open_.enter_async_context(
            gateway.another(ann, defence=defence, sockets=SocketSettings(per_address=1))
        )
        one, other = ({"X-Forwarded-For": f"203.0.113.{n}"} for n in (1, 2))
        await open_.enter_async_context(opened(client, headers=one))
        await open_.enter_async_context(opened(client, headers=other))
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            async with opened(client, headers=one):
                pass


async def ping(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.send_json({"type": "ping"})


async def pong(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.send_json({"type": "pong"})


async def complete(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.send_json({"type": "complete", "id": "1"})


async def ping_frame(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.ping()


async def pong_frame(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.pong()


@pytest.mark.parametrize("initialized", [True, False])
@pytest.mark.parametrize("send", [ping, pong, complete, ping_frame, pong_frame])
async def test_every_message_and_control_frame_counts_against_the_rate(
    gateway: Gateway, ann: Client, send: Any, initialized: bool
) -> None:
    most = int(gateway.settings.sockets.message_rate * BURST)
    async with connected(ann) if initialized else opened(ann) as socket:
        for _ in range(most - 2):
            await send(socket.socket)
        await socket.send(type="ping", payload={"last": True})
        while (await socket.receive()) != {"type": "pong"}:
            pass  # all were accepted
        for _ in range(most):
            await send(socket.socket)
        code, reason = await socket.closed()
        assert code == 1008
        assert "messages per second" in reason


async def test_a_client_that_disconnects_during_a_response_is_not_an_error(
    gateway: Gateway, ann: Client, caplog: pytest.LogCaptureFixture
) -> None:
    port = int(gateway.client.url.rpartition(":")[2])
    ping_frames = b"\x89\x80\0\0\0\0" * 50
    init = frame({"type": "connection_init", "padding": "x" * 130})
    for sent in (ping_frames, init + ping_frames, frame({"type": "ping", "x": "x" * 130}) * 50):
        for _ in range(10):
            reader, writer = await begin(ann, port)
            writer.write(sent)
            await reader.read(1)
            writer.transport.abort()
    assert (await ann.ask("{ __typename }")).status == 200
    async with connected(ann):
        pass
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
