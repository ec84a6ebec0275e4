"""How an HTTP server accepts connections: many at once, and again after the system refused one."""

import asyncio
import logging
import socket
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from aiohttp import web

from kit.http import site
from kit.http.server import Runner, plain_body
from kit.http.settings import HTTPSettings
from tests.fixtures.http_served import Serve
from tests.fixtures.no_more_files import no_more_files
from tests.fixtures.patience import PATIENCE, until

# Its patch of aiohttp affects the whole process.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy. fixture")
MANY = 80


async def test_all_waiting_connections_are_accepted_in_a_few_iterations(serve: Serve) -> None:
    iterations = 0

    def count() -> None:
        nonlocal iterations
        iterations += 1
        asyncio.get_running_loop().call_soon(count)

    async with serve(HTTPSettings()) as served:
        with ExitStack() as clients:
            for _ in range(MANY):  # the system connects them
                clients.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            count()
            while len(served.guard._open) < MANY:
                assert iterations < MANY / 4
                await asyncio.sleep(0)
        await until(lambda: not served.guard._open)


async def test_connections_are_accepted_again_once_the_system_has_files(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "PAUSE", 0.05)
    caplog.set_level(logging.ERROR)
    async with serve(HTTPSettings()) as served:
        wire = await served.connect()
        assert (await wire.ask())[0] == 200
        with socket.socket() as client:
            client.setblocking(False)
            with no_more_files():
                await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", served.port))
                await until(lambda: "no connection can be accepted" in caplog.text)
                assert (await wire.ask())[0] == 200
            await until(lambda: len(served.guard._open) == 2)


async def test_a_server_that_stops_accepts_no_more_connections(serve: Serve) -> None:
    async with serve(HTTPSettings()) as served:
        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", served.port)


async def test_a_server_listens_without_ipv6_at_a_name_that_has_an_ipv6_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def addresses(*_: object, **_options: object) -> list[tuple[Any, ...]]:
        ends = [(socket.AF_INET6, ("2001:db8::1", 0, 0, 0)), (socket.AF_INET, ("127.0.0.1", 0))]
        return [(family, socket.SOCK_STREAM, 6, "", end) for family, end in ends]

    runner = Runner(web.Application(), plain_body)
    await runner.setup()
    try:
        with monkeypatch.context() as names:
            names.setattr(socket, "getaddrinfo", addresses)
            port = await runner.listen("localhost", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        with pytest.raises(OSError, match="assign requested address"):
            await runner.listen("2001:db8::1", 0)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("iterations", range(8))
async def test_a_client_that_connects_while_the_server_stops_is_disconnected_at_once(
    serve: Serve, iterations: int
) -> None:
    loop = asyncio.get_running_loop()
    async with serve(HTTPSettings(), shutdown_timeout=2 * PATIENCE) as served:
        client = socket.create_connection(("127.0.0.1", served.port))
        for _ in range(iterations):
            await asyncio.sleep(0)
        began = loop.time()
    with client:
        assert loop.time() - began < PATIENCE
        assert not served.guard._open
        client.settimeout(PATIENCE)
        with suppress(ConnectionResetError):  # it was not accepted any more
            assert client.recv(1) == b""
