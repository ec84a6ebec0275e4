"""Limits of an HTTP server on the connections of an address, of a process, and of clients behind a proxy."""

from ipaddress import ip_network

import pytest

from kit.http.settings import HTTPSettings
from kit.net.open_files import within_open_files
from tests.fixtures.http_served import GET, TRUSTED, Serve
from tests.fixtures.patience import until

# Its patch of aiohttp affects the whole process.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy. fixture")


async def test_the_connections_of_an_address_are_limited(serve: Serve) -> None:
    async with serve(HTTPSettings(max_connections_per_address=2)) as served:
        first, second = await served.connect(), await served.connect()
        assert (await first.ask())[0] == (await second.ask())[0] == 200
        status, body = await (await served.connect()).answer()
        assert (status, body["code"]) == (503, "TOO_MANY_CONNECTIONS")
        assert "address" in body["error"]
        assert "close some" in body["error"]
        first.abort()
        await until(lambda: len(served.guard._open) == 1)
        assert (await (await served.connect()).ask())[0] == 200


async def test_the_connections_of_a_process_are_limited(serve: Serve) -> None:
    async with serve(HTTPSettings(max_connections=2)) as served:
        wires = [await served.connect() for _ in range(2)]
        for wire in wires:
            assert (await wire.ask())[0] == 200
        status, body = await (await served.connect()).answer()
        assert (status, body["code"]) == (503, "TOO_MANY_CONNECTIONS")
        assert "server" in body["error"]


async def test_behind_a_trusted_proxy_the_concurrent_requests_of_an_address_are_limited(
    serve: Serve,
) -> None:
    held = b"GET /held HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n\r\n"
    settings = HTTPSettings(max_connections_per_address=2, trusted_proxies=TRUSTED)
    async with serve(settings) as served:
        wires = [
            await served.connect() for _ in range(5)
        ]  # connections of the proxy aren't counted
        wires[0].writer.write(held % b"203.0.113.7")
        wires[1].writer.write(held % b"203.0.113.7")
        await until(lambda: served.begun == 2)
        status, body = await wires[2].ask(
            GET + b"X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n\r\n"
        )
        assert (status, body["code"]) == (429, "TOO_MANY_CONNECTIONS")
        assert (await wires[2].ask(GET + b"X-Forwarded-For: 203.0.113.8\r\n\r\n"))[0] == 200
        served.release.set()
        assert (await wires[0].answer())[0] == 200
        assert (await wires[3].ask(GET + b"X-Forwarded-For: 203.0.113.7\r\n\r\n"))[0] == 200
    assert not served.guard._held


async def test_a_local_proxy_that_is_not_configured_does_not_count_as_one_client(
    serve: Serve,
) -> None:
    forwarded = GET + b"X-Forwarded-For: 203.0.113.7\r\n\r\n"
    async with serve(HTTPSettings(max_connections_per_address=2)) as served:
        wires = []
        for _ in range(5):
            wires.append(await served.connect())
            assert (await wires[-1].ask(forwarded))[0] == 200
    # All proxies together may hold half of the connections, or one client could seem to be a proxy.
    settings = HTTPSettings(max_connections=6, max_connections_per_address=5)
    async with serve(settings) as served:
        wires = [await served.connect() for _ in range(4)]
        statuses = [(await wire.ask(forwarded))[0] for wire in wires]
        assert statuses[:3] == [200, 200, 200]
        assert statuses[3] in (429, 503)
        assert (await (await served.connect()).ask(GET + b"\r\n"))[0] == 200
    # Where proxies are configured, an address outside of them is a client.
    other_network = (ip_network("192.0.2.0/24"),)
    settings = HTTPSettings(max_connections_per_address=2, trusted_proxies=other_network)
    async with serve(settings) as served:
        wires = [await served.connect() for _ in range(2)]
        for wire in wires:
            assert (await wire.ask(forwarded))[0] == 200
        assert (await (await served.connect()).answer())[0] == 503


def test_the_connection_limit_respects_the_open_files_limit() -> None:
    assert within_open_files(100) == 100
    assert within_open_files(10_000_000) < 10_000_000
