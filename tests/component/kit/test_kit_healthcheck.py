"""The health check of a container, run as a process."""

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from kit.net.tls import PLAIN, TLS
from tests.fixtures.certificates import Authority
from tests.fixtures.free_ports import free_ports
from tests.fixtures.rpc.health import healthy_server

ROOT = Path(__file__).parents[3]


async def check(address: str, tls: TLS = PLAIN) -> int:
    """Return the exit status of a health check with those certificates."""
    files = {
        "GRPC_TLS_CA_FILE": tls.authority,
        "GRPC_TLS_CERT_FILE": tls.certificate,
        "GRPC_TLS_KEY_FILE": tls.key,
    }
    given = {name: str(file) for name, file in files.items() if file}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kit.process.healthcheck"),
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | given | {"HEALTHCHECK": address},
    )
    await process.communicate()
    return await process.wait()


@pytest.mark.parametrize(("status", "wanted"), [(200, 0), (503, 1)])
async def test_an_http_process_is_healthy_when_it_answers_200(status: int, wanted: int) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/healthz", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        assert await check(f"http://127.0.0.1:{port}/healthz") == wanted
    finally:
        await runner.cleanup()


async def test_a_grpc_service_is_healthy_while_it_is_serving() -> None:
    async with healthy_server() as (port, servicer):
        assert await check(f"grpc://127.0.0.1:{port}") == 0
        await servicer.enter_graceful_shutdown()
        assert await check(f"grpc://127.0.0.1:{port}") == 1


async def test_a_service_with_mutual_tls_is_checked_with_the_process_certificate(
    tmp_path: Path,
) -> None:
    tls = Authority(tmp_path, "ours").issue("orders", "orders")
    credentials = tls.server()
    assert credentials is not None
    async with healthy_server(credentials) as (port, _):
        address = f"grpc://127.0.0.1:{port}"
        assert await check(f"{address}?name=orders", tls) == 0
        # The certificate is for the name only, and a client without a certificate is refused.
        assert await check(address, tls) == 1
        assert await check(f"{address}?name=orders") == 1
        assert await check(f"{address}?name=orders", replace(tls, key=None)) == 2


async def test_an_address_without_a_server_is_unhealthy() -> None:
    (port,) = free_ports(1)
    assert await check(f"grpc://127.0.0.1:{port}") == 1
    assert await check(f"http://127.0.0.1:{port}/healthz") == 1


async def test_an_invalid_address_has_its_own_exit_status() -> None:
    assert await check("127.0.0.1:4000") == 2
    assert await check("") == 2
