"""Downloads that end too late, or whose client has gone: nothing stays behind, and no file looks whole."""

import asyncio
from collections.abc import AsyncGenerator
from types import MappingProxyType
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, make_mocked_request

from gateway.http.files.downloads import Downloads
from kit.auth.sessions import Role, Session
from kit.errors import Failure, Kind
from tests.fixtures.patience import PATIENCE

ANN = Session(Role.CUSTOMER, UUID(int=1), MappingProxyType({}), "token", None)


class Endless:
    """A file without an end, which notices when its generator is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def pieces(self, first: bytes, size: int) -> AsyncGenerator[bytes, None]:
        try:
            yield first
            while True:
                await asyncio.sleep(0)
                yield b"x" * size
        finally:
            self.closed.set()

    async def silence(self) -> AsyncGenerator[bytes, None]:
        try:
            await asyncio.Event().wait()
            yield b"never"
        finally:
            self.closed.set()


def server(downloads: Downloads, pieces: AsyncGenerator[bytes, None]) -> TestServer:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await downloads.send(request, ANN, "esims.csv", pieces)

    app = web.Application()
    app.router.add_get("/", handle)
    return TestServer(app)


async def test_a_download_that_takes_too_long_is_broken_off(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    file = Endless()
    async with server(Downloads(seconds=0.2), file.pieces(b"first", 1)) as running:
        async with http.get(running.make_url("/")) as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        await asyncio.wait_for(file.closed.wait(), PATIENCE)
    assert "broken off: it took more than 0.2 s" in caplog.text


async def test_a_download_that_never_begins_is_refused() -> None:
    file = Endless()
    request = make_mocked_request("GET", "/")
    with pytest.raises(Failure) as raised:
        await Downloads(seconds=0.05).send(request, ANN, "esims.csv", file.silence())
    assert raised.value.kind is Kind.DEADLINE
    assert file.closed.is_set()


async def test_a_client_that_goes_ends_its_download(http: aiohttp.ClientSession) -> None:
    file, downloads = Endless(), Downloads()
    async with server(downloads, file.pieces(b"first", 100_000)) as running:
        answer = await http.get(running.make_url("/"))
        assert await answer.content.readexactly(5) == b"first"
        answer.close()
        await asyncio.wait_for(file.closed.wait(), PATIENCE)
    again = Endless()
    async with (
        server(downloads, again.pieces(b"second", 100_000)) as running,
        http.get(running.make_url("/")) as answer,
    ):
        assert await answer.content.readexactly(6) == b"second"  # and not DOWNLOAD_RUNNING
