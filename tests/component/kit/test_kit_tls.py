"""TLS between processes: who may connect, who may not, and certificate renewal at run time."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2

from kit.auth.sessions import Verifier
from kit.logs.episodes import Episodes
from kit.net.tls import PLAIN, TLS
from kit.rpc import client as rpc_client
from kit.rpc.guard import Service
from kit.rpc.server import start
from protos.esims.v1 import esims_pb2
from services.esims.access import ACCESS
from tests.fixtures.certificates import Authority
from tests.fixtures.rpc.health import health


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "theirs")


@asynccontextmanager
async def serving(tls: TLS) -> AsyncIterator[int]:
    """Serve a service with health checks only."""
    async with aiohttp.ClientSession() as http:
        verifier = Verifier(
            supabase_url="http://127.0.0.1:9", service_role_key="k" * 32, jwt_secret=None, http=http
        )
        service = Service(
            esims_pb2.DESCRIPTOR.services_by_name["ESIMsService"],
            lambda server: None,  # its own methods are not called here
            ACCESS,
        )
        running = await start(service, host="127.0.0.1", port=0, verifier=verifier, tls=tls)
        try:
            yield running.port
        finally:
            await running.stop(drain=0, grace=0)


async def outcome(port: int, tls: TLS) -> str:
    """Return SERVING, or the code with which the call failed."""
    async with rpc_client.channel(f"127.0.0.1:{port}", tls) as channel:
        try:
            status = await health(channel)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return health_pb2.HealthCheckResponse.ServingStatus.Name(status)


async def test_a_client_with_a_certificate_of_the_authority_is_accepted(
    authority: Authority,
) -> None:
    async with serving(authority.issue("esims")) as port:
        assert await outcome(port, authority.issue("gateway")) == "SERVING"


async def test_a_client_without_a_certificate_is_refused(authority: Authority) -> None:
    async with serving(authority.issue("esims")) as port:
        assert await outcome(port, TLS(authority=authority.file)) == "UNAVAILABLE"


async def test_a_client_with_a_certificate_of_another_authority_is_refused(
    authority: Authority, stranger: Authority
) -> None:
    foreign = replace(stranger.issue("gateway"), authority=authority.file)
    async with serving(authority.issue("esims")) as port:
        assert await outcome(port, foreign) == "UNAVAILABLE"


async def test_a_client_refuses_a_server_with_a_certificate_of_another_authority(
    authority: Authority, stranger: Authority
) -> None:
    async with serving(replace(stranger.issue("esims"), mutual=False)) as port:
        assert await outcome(port, TLS(authority=authority.file)) == "UNAVAILABLE"


async def test_plain_text_is_refused_where_tls_is_required(authority: Authority) -> None:
    async with serving(authority.issue("esims")) as port:
        assert await outcome(port, PLAIN) == "UNAVAILABLE"


async def test_without_mutual_tls_a_client_needs_no_certificate(authority: Authority) -> None:
    async with serving(replace(authority.issue("esims"), mutual=False)) as port:
        assert await outcome(port, TLS(authority=authority.file)) == "SERVING"


async def test_a_renewed_certificate_is_used_without_a_restart(
    authority: Authority, stranger: Authority
) -> None:
    caller = authority.issue("gateway")
    async with serving(authority.issue("esims")) as port:
        assert await outcome(port, caller) == "SERVING"
        stranger.issue("esims")  # replaces the files
        assert await outcome(port, caller) == "UNAVAILABLE"
        authority.issue("esims")
        assert await outcome(port, caller) == "SERVING"


async def test_a_server_continues_with_its_certificate_while_the_file_is_missing(
    authority: Authority, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # gRPC calls from its own thread, where an episode of an earlier test is still open.
    monkeypatch.setattr("kit.net.tls.episodes", Episodes(logging.getLogger("kit.net.tls")))
    served, caller = authority.issue("esims"), authority.issue("gateway")
    async with serving(served) as port:
        assert served.certificate is not None
        served.certificate.unlink()
        with caplog.at_level(logging.WARNING, "kit.net.tls"):
            assert await outcome(port, caller) == "SERVING"
    assert "continuing with the previous one" in caplog.text
