"""The edge of every HTTP endpoint: tokens of up to 16 kB, and JSON errors without a `Server` header."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

import webhooks.__main__
from gateway import __main__ as gateway_main
from kit.auth.token_size import MAX_TOKEN_BYTES
from kit.errors import Failure, Kind
from kit.http.settings import HTTPSettings
from kit.process import metrics_endpoint
from kit.rpc import client as rpc_client
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.fixtures.free_ports import free_ports
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ORDER_ID, order
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth, Serving
from tests.fixtures.sockets import connected, opened

# Bytes, up to the maximum.
SIZES = [7_900, 8_000, 8_192, 8_200, 12_000, 16_000, MAX_TOKEN_BYTES]
TOO_LONG = [MAX_TOKEN_BYTES + 4, 17_000]
FOLLOW = "subscription($id: ID!) { orderUpdated(orderId: $id) { id } }"


async def padded(auth: Auth, length: int) -> str:
    """Return a valid token of that many bytes or up to three fewer, padded by the user's metadata."""
    email = "ann@example.com"
    admin = {"apikey": auth.service_role_key, "Authorization": f"Bearer {auth.service_role_key}"}
    user_id = await auth.user_id(email)

    async def with_note(size: int) -> str:
        async with auth.http.put(
            f"{auth.url}/auth/v1/admin/users/{user_id}",
            json={"user_metadata": {"note": "x" * size}},
            headers=admin,
        ) as answer:
            answer.raise_for_status()
        return await auth.token(email)

    size = (length - len(await with_note(0))) * 3 // 4
    token = await with_note(size)
    while len(token) > length:
        size -= 1
        token = await with_note(size)
    assert length - 3 <= len(token) <= length
    return token


async def steps(
    request: orders_pb2.WatchOrderRequest,
) -> AsyncIterator[orders_pb2.WatchOrderResponse]:
    yield orders_pb2.WatchOrderResponse(order=order())
    await asyncio.Event().wait()


@pytest.mark.parametrize("size", SIZES)
async def test_a_long_token_is_accepted_on_every_transport(
    gateway: Gateway, auth: Auth, size: int
) -> None:
    gateway.orders.answers["GetOrder"] = orders_pb2.GetOrderResponse(order=order())
    gateway.orders.answers["WatchOrder"] = steps
    ann = gateway.client.signed_in(await padded(auth, size))
    one = "query($id: ID!) { orderDetails(id: $id) { id } }"
    # More than once, as gRPC refuses metadata above its soft limit at random.
    for _ in range(10):
        assert (await ann.ask(one, id=ORDER_ID)).data == {"orderDetails": {"id": ORDER_ID}}
    async with connected(ann) as socket:
        await socket.subscribe(FOLLOW, id=ORDER_ID)
        assert await socket.data() == {"orderUpdated": {"id": ORDER_ID}}
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {ann.token}"}
    body = {"query": FOLLOW, "variables": {"id": ORDER_ID}}
    async with ann.http.post(f"{ann.url}/graphql", json=body, headers=headers) as events:
        assert await events.content.readline() == b"event: next\n"
        assert ORDER_ID.encode() in await events.content.readline()


@pytest.mark.parametrize("size", TOO_LONG)
async def test_a_token_that_is_too_long_is_refused_as_json_with_a_code(
    gateway: Gateway, auth: Auth, size: int
) -> None:
    ann = gateway.client.signed_in(await padded(auth, size))
    answer = await ann.ask("{ __typename }")
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.error["extensions"]["reason"] == "TOKEN_MALFORMED"
    assert "Server" not in answer.headers
    async with opened(ann) as socket:
        payload = {"Authorization": f"Bearer {ann.token}"}
        await socket.send(type="connection_init", payload=payload)
        code, reason = await socket.closed()
        assert code == 4403
        assert "longer than" in reason


async def test_services_accept_long_tokens_and_refuse_longer_ones_with_a_reason(
    platform: Platform,
) -> None:
    async with rpc_client.channel(platform.orders_address) as channel:
        orders = orders_pb2_grpc.OrdersServiceStub(channel)
        request = orders_pb2.GetOrderRequest(order_id=ORDER_ID)
        for size, kind, reason in (
            *((size, Kind.NOT_FOUND, "ORDER_NOT_FOUND") for size in SIZES),
            *((size, Kind.UNAUTHENTICATED, "TOKEN_MALFORMED") for size in TOO_LONG),
        ):
            token = await padded(platform.auth, size)
            for _ in range(5):
                with pytest.raises(Failure) as raised:
                    await rpc_client.call(orders.GetOrder, request, token=token, timeout=PATIENCE)
                assert (raised.value.kind, raised.value.reason) == (kind, reason), size


# Malformed HTTP and requests without a handler, with the status of the answer.
BROKEN = [
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 30_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"a" * 30_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"a" * 30_000 + b": b\r\n\r\n", 431),
    (b"nonsense\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    (b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"1" * 5_000 + b"\r\n\r\n", 400),
    (b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: odd\r\n\r\n", 400),
    (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    (b"DELETE /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    (b"OPTIONS /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nConnection: close\r\n\r\n", 417),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: \xff\xfe\r\nConnection: close\r\n\r\n", 417),
]


async def sent(url: str, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send raw bytes and return the response."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(PATIENCE):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    return int(first.split()[1]), headers, body


async def check_edge(url: str) -> list[tuple[int, object]]:
    """Expect JSON with a code and no `Server` header for every broken request; return the answers."""
    answered = []
    for request, status in BROKEN:
        got, headers, body = await sent(url, request)
        assert got == status, (request[:60], got, body)
        assert headers["content-type"].startswith("application/json"), request[:60]
        assert "server" not in headers
        assert b"aaaa" not in body
        if status == 405:
            assert "GET" in headers["allow"]
            assert "OPTIONS" not in headers["allow"]
        answered.append((got, json.loads(body)))
    return answered


async def test_every_http_error_of_the_gateway_is_json(client: Client) -> None:
    for _, body in await check_edge(client.url):
        (error,) = body["errors"]  # type: ignore[index] # JSON
        assert error["message"]
        assert error["extensions"]["code"]


async def test_every_http_error_of_the_webhooks_service_is_json(
    platform: Platform, databases: Databases, serving: Serving
) -> None:
    async with serving(webhooks.__main__.serve, platform.webhooks(databases)) as port:
        for _, body in await check_edge(f"http://127.0.0.1:{port}"):
            assert body["received"] is False  # type: ignore[index] # JSON
            assert body["error"]  # type: ignore[index] # JSON
            assert body["code"]  # type: ignore[index] # JSON


async def test_webhooks_and_gateway_have_the_same_client_limits(
    platform: Platform, databases: Databases, serving: Serving
) -> None:
    webhook_settings, gateway_settings = platform.webhooks(databases), platform.gateway_settings
    few = HTTPSettings(max_connections_per_address=1, header_seconds=PATIENCE)
    short = HTTPSettings(header_seconds=0.2, body_seconds=0.2)
    slow_body = b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
    for serve, settings, path in (
        (webhooks.__main__.serve, webhook_settings, b"/webhooks/esim-go"),
        (gateway_main.serve, gateway_settings, b"/graphql"),
    ):
        async with serving(serve, replace(settings, http=few)) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            assert (await sent(f"http://127.0.0.1:{port}", b""))[0] == 503
            writer.transport.abort()
        async with serving(serve, replace(settings, http=short)) as port:
            url = f"http://127.0.0.1:{port}"
            for request in (b"GET ", b"POST " + path + slow_body + b"Connection: close\r\n\r\na"):
                status, headers, body = await sent(url, request)
                assert (status, headers["content-type"][:16]) == (408, "application/json"), body
                assert b"did not arrive in time" in body


async def test_a_malformed_chunk_of_a_body_is_refused_as_json_without_waiting_for_the_rest(
    platform: Platform, databases: Databases, serving: Serving
) -> None:
    head = (
        b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    )
    for serve, settings, path in (
        (webhooks.__main__.serve, platform.webhooks(databases), b"/webhooks/esim-go"),
        (gateway_main.serve, platform.gateway_settings, b"/graphql"),
    ):
        settings = replace(settings, http=HTTPSettings(body_seconds=2 * PATIENCE))
        async with serving(serve, settings) as port, asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST " + path + head)
            assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"2\r\n{}\r\nzz\r\n")
            answered, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            assert answered.startswith(b"HTTP/1.1 400 "), answered
            assert json.loads(body)


async def test_every_http_error_of_the_metrics_endpoint_is_json(
    http: aiohttp.ClientSession,
) -> None:
    (port,) = free_ports(1)
    async with metrics_endpoint.served(CollectorRegistry(), "127.0.0.1", port):
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{port}/healthz"):
                        break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.01)
        for _, body in await check_edge(f"http://127.0.0.1:{port}"):
            assert body["error"]  # type: ignore[index] # JSON
            assert body["code"]  # type: ignore[index] # JSON
