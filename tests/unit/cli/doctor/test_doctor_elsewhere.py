"""What `esimgo doctor` says about servers that redirect, and about a Redis that only answers in part."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cli.auth import accounts, sessions
from cli.doctor import neighbours
from cli.doctor.payments import stripe
from cli.errors import CommandError
from tests.fixtures.programs.odd_redis import ODD_ANSWERS, odd_redis
from tests.fixtures.programs.redis_server import RedisServer

KEY = "sk_test_key"


@dataclass
class Elsewhere:
    """A server that redirects all requests to another one, and what that one received."""

    url: str = ""
    received: list[str] = field(default_factory=list)


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    found = Elsewhere()

    async def arrive(request: web.Request) -> web.Response:
        found.received.append(str(request.headers))
        return web.json_response({"users": [], "access_token": "x"})

    target, source = web.Application(), web.Application()
    target.router.add_route("*", "/{any:.*}", arrive)
    async with TestServer(target) as other:

        async def redirect(request: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": str(other.make_url("/x"))})

        source.router.add_route("*", "/{any:.*}", redirect)
        async with TestServer(source) as server:
            found.url = str(server.make_url("")).rstrip("/")
            yield found


async def test_keys_are_not_sent_to_where_a_server_redirects(elsewhere: Elsewhere) -> None:
    values = {
        "SUPABASE_URL": elsewhere.url,
        "SUPABASE_ANON_KEY": "anon",
        "SUPABASE_SERVICE_ROLE_KEY": "service",
        "ESIM_GO_BASE_URL": elsewhere.url,
        "ESIM_GO_API_KEY": "key",
        "STRIPE_BASE_URL": elsewhere.url,
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_WEBHOOK_SECRET": "whsec_x",
    }
    async with aiohttp.ClientSession() as http:
        for check in (neighbours.auth, neighbours.provider, stripe):
            finding, *_ = await check(http, values)
            assert "HTTP 307" in finding.text
            assert finding.remedy is not None
        with pytest.raises(CommandError, match="307"):
            await accounts.find(http, elsewhere.url, "service", "ann@example.com")
        with pytest.raises(CommandError, match="307"):
            await sessions.sign_in(http, elsewhere.url, "anon", "ann@example.com", "password")
    assert elsewhere.received == []


@pytest.mark.parametrize("answer", ODD_ANSWERS)
async def test_a_server_that_does_not_answer_as_redis_is_reported(answer: bytes) -> None:
    async with odd_redis(answer) as url:
        finding = await neighbours.cache(url)
    assert finding.text.startswith("Redis does not ")
    assert finding.remedy is not None


async def test_a_redis_without_memory_for_writes_is_reported(redis_server: RedisServer) -> None:
    assert (await neighbours.cache(redis_server.url)).remedy is None
    redis_server.redis.config_set("maxmemory", 1)
    finding = await neighbours.cache(redis_server.url)
    assert "does not accept writes" in finding.text
    assert finding.remedy is not None
