"""`esimgo batches download` when the file does not arrive."""

import asyncio
import os
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cli.errors import CommandError
from cli.operators.organizations.batches import Batches


async def test_a_download_that_takes_too_long_is_reported_and_leaves_no_file(
    tmp_path: Path,
) -> None:
    over = asyncio.Event()

    async def stalled(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"PK")
        await over.wait()
        return response

    app = web.Application()
    app.router.add_get("/batches/{id}/esims.zip", stalled)
    timeout = aiohttp.ClientTimeout(total=0.2)
    async with TestServer(app) as server, aiohttp.ClientSession(timeout=timeout) as http:
        batches = Batches(http, str(server.make_url("")), "token")
        with pytest.raises(CommandError, match="broke off"):
            await batches.download("one", "zip", tmp_path / "a.zip")
        over.set()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - the part is hidden


async def test_a_download_is_never_written_into_a_file_that_others_can_read(tmp_path: Path) -> None:
    async def sent(request: web.Request) -> web.Response:
        return web.Response(body=b"PK")

    app = web.Application()
    app.router.add_get("/batches/{id}/esims.zip", sent)
    prepared = tmp_path / ".a.zip.part"
    prepared.touch(mode=0o644)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        batches = Batches(http, str(server.make_url("")), "token")
        await batches.download("one", "zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"PK"
    assert (tmp_path / "a.zip").stat().st_mode & 0o077 == 0
    assert prepared.read_bytes() == b""
