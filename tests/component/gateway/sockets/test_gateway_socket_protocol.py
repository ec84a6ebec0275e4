"""The WebSocket protocol: authentication, messages, and what closes a connection."""

import json
import time
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from tests.fixtures.answers.changes import Changes
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ORDER_ID, order_event
from tests.fixtures.patience import CLOCKS_DIFFER
from tests.fixtures.sandboxes import Auth
from tests.fixtures.sockets import connected, opened

FOLLOW = "subscription($id: ID!) { orderUpdated(orderId: $id) { id status } }"


async def test_pings_are_answered_before_and_after_connection_init(ann: Client) -> None:
    async with opened(ann) as socket:
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}
    async with connected(ann) as socket:
        await socket.send(type="pong")
        await socket.send(type="ping", payload={"any": 1})
        assert await socket.receive() == {"type": "pong"}


async def test_the_token_can_be_sent_as_a_header_or_as_auth_token(ann: Client) -> None:
    async with opened(ann, headers={"Authorization": f"Bearer {ann.token}"}) as socket:
        await socket.send(type="connection_init")
        assert await socket.receive() == {"type": "connection_ack"}
    async with opened(ann) as socket:
        await socket.send(type="connection_init", payload={"authToken": ann.token})
        assert await socket.receive() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    "payload", [{}, {"Authorization": "Bearer x"}, {"Authorization": ""}, {"authToken": "a.b.c"}]
)
async def test_without_a_session_the_connection_is_forbidden(ann: Client, payload: Any) -> None:
    async with opened(ann) as socket:
        await socket.send(type="connection_init", payload=payload)
        code, reason = await socket.closed()
        assert code == 4403
        assert "Not authenticated" in reason or "Authorization" in reason


async def test_the_service_role_key_is_refused_on_sockets(ann: Client, auth: Auth) -> None:
    async with opened(ann) as socket:
        await socket.send(type="connection_init", payload={"authToken": auth.service_role_key})
        code, reason = await socket.closed()
        assert code == 4403
        assert auth.service_role_key not in reason


async def test_a_socket_closes_when_its_session_expires(gateway: Gateway, auth: Auth) -> None:
    gateway.orders.answers["WatchOrder"] = Changes(order_event())
    session = await auth.sign_in("ann@example.com", expires_in=2)
    client = gateway.client.signed_in(session["access_token"])
    async with connected(client) as socket:
        # Closed after the first event, or before it if two seconds were not enough; never earlier.
        with suppress(ConnectionResetError):
            await socket.subscribe(FOLLOW, id=ORDER_ID)
        assert await socket.closed() == (4403, "The session has expired; connect with a new token")
        assert time.time() > session["expires_at"] - CLOCKS_DIFFER


INIT = {"type": "connection_init"}
SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": FOLLOW, "variables": {"id": "1"}}}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["no JSON"], 4400),
        (["[]"], 4400),
        (["{}"], 4400),
        (["[" * 5_000], 4400),
        (['{"type": "connection_init", "payload": "x"}'], 4400),
        (['{"type": "connection_init", "payload": {"Authorization": 1}}'], 4400),
        ([{"type": "start", "id": "1", "payload": {}}], 4400),
        ([{"type": "connection_terminate"}], 4400),
        ([INIT, INIT], 4429),
        ([SUBSCRIBE], 4401),
        ([INIT, SUBSCRIBE, SUBSCRIBE], 4409),
        ([INIT, {"type": "subscribe", "payload": {"query": "{ __typename }"}}], 4400),
        ([INIT, {"id": 1, "type": "subscribe", "payload": {"query": "{ __typename }"}}], 4400),
        ([INIT, {"id": "", "type": "subscribe", "payload": {"query": "{ __typename }"}}], 4400),
        ([INIT, {"id": "1", "type": "subscribe", "payload": {}}], 4400),
        ([INIT, {"id": "1", "type": "subscribe", "payload": {"query": 1}}], 4400),
        ([INIT, '{"id": "1", "type": "subscribe", "payload": {"query": "\\ud83d"}}'], 4400),
        ([INIT, {"id": "1", "type": "complete"}, {"type": "nonsense"}], 4400),
        ([{"type": "ping", "padding": "x" * 20_000}], 1009),
    ],
)
async def test_a_protocol_violation_closes_the_connection(
    ann: Client, changes: Changes, messages: list[Any], code: int
) -> None:
    headers = {"Authorization": f"Bearer {ann.token}"}
    async with opened(ann, headers=headers) as socket:
        for message in messages:
            text = message if isinstance(message, str) else json.dumps(message)
            await socket.socket.send_str(text)
        assert (await socket.closed())[0] == code


async def test_a_long_reason_is_cut_between_characters(ann: Client, changes: Changes) -> None:
    id_ = "x" + "é" * 100
    async with connected(ann) as socket:
        for _ in range(2):
            await socket.send(**SUBSCRIBE | {"id": id_})
        code, reason = await socket.closed()
    assert (code, reason[:17]) == (4409, f"Subscriber for {id_[:2]}")


async def test_binary_messages_close_the_connection(ann: Client) -> None:
    async with connected(ann) as socket:
        await socket.socket.send_bytes(b"{}")
        assert (await socket.closed())[0] == 4400


@pytest.mark.parametrize("protocols", [[], ["graphql-ws"], ["other"]])
async def test_other_subprotocols_are_refused(ann: Client, protocols: list[str]) -> None:
    async with opened(ann, protocols=protocols) as socket:
        code, reason = await socket.closed()
        assert (code, reason) == (4406, "Request the WebSocket subprotocol graphql-transport-ws")


async def test_cross_origin_pages_connect_only_where_cors_allows_them(ann: Client) -> None:
    for origin in ("https://shop.example", ann.url):
        async with opened(ann, headers={"Origin": origin}) as socket:
            await socket.send(type="ping")
            assert await socket.receive() == {"type": "pong"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
        async with opened(ann, headers={"Origin": "https://other.example"}):
            pass
    assert raised.value.status == 403


async def test_an_invalid_websocket_handshake_is_400(ann: Client) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    async with ann.http.get(f"{ann.url}/graphql", headers=headers) as answer:
        assert answer.status == 400
