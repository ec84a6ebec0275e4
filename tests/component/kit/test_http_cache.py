"""The HTTP cache in front of the gateway: real nginx, with the configuration of deploy/cache."""

import asyncio
import hashlib
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.http.cors import Origins
from tests.fixtures.free_ports import free_ports
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform
from tests.fixtures.programs.http_cache import CONFIGURATION, http_cache, nginx

PLANS = "{ featuredPlans(first: 5) { id name price } }"
SHOP = "https://shop.example"
GRAPHQL = "application/graphql-response+json"


class Cached:
    """A client of the HTTP cache; every response is read whole."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = f"{url}/graphql"
        self.http = http

    async def get(self, query: str, **headers: str) -> aiohttp.ClientResponse:
        return await self._read(self.http.get(self.url, params={"query": query}, headers=headers))

    async def persisted(self, query: str) -> aiohttp.ClientResponse:
        return await self._read(self.http.get(self.url, params={"extensions": _hash(query)}))

    async def post(self, body: dict[str, Any]) -> aiohttp.ClientResponse:
        return await self._read(self.http.post(self.url, json=body))

    async def _read(self, request: Any) -> aiohttp.ClientResponse:
        answer: aiohttp.ClientResponse = await request
        await answer.read()
        return answer


def _hash(query: str) -> str:
    digest = hashlib.sha256(query.encode()).hexdigest()
    return json.dumps({"persistedQuery": {"version": 1, "sha256Hash": digest}})


def state(answer: aiohttp.ClientResponse) -> str | None:
    """Return the cache status: HIT, MISS, BYPASS, EXPIRED or REVALIDATED; None for a POST."""
    return answer.headers.get("X-Cache")


@asynccontextmanager
async def in_front(platform: Platform, seconds: float) -> AsyncIterator[Cached]:
    """Run a gateway whose public answers stay fresh this long, with an HTTP cache in front."""
    origins = Origins.parse(SHOP)
    async with (
        platform.another(response_cache_seconds=seconds, cors_origins=origins) as client,
        http_cache(int(client.url.rsplit(":", 1)[1])) as url,
    ):
        yield Cached(url, client.http)


@pytest.fixture
async def cached(platform: Platform) -> AsyncIterator[Cached]:
    async with in_front(platform, 3600) as found:
        yield found


@pytest.mark.parametrize("deployment", ["compose", "kubernetes"])
def test_nginx_accepts_the_configuration_of_each_deployment(
    deployment: str, tmp_path: Path
) -> None:
    (tmp_path / "nginx.conf").write_text(CONFIGURATION.read_text())
    where = (CONFIGURATION.parent / deployment / "gateway.conf").read_text()
    # There is no DNS for the Service here.
    (tmp_path / "gateway.conf").write_text(where.replace("server gateway:", "server 127.0.0.1:"))
    checked = subprocess.run(
        [nginx(), "-t", "-q", "-e", "stderr", "-p", f"{tmp_path}/", "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


async def test_without_a_gateway_the_error_has_the_gateways_format(
    http: aiohttp.ClientSession,
) -> None:
    [nobody] = free_ports(1)
    async with http_cache(nobody) as url, http.post(f"{url}/graphql", json={}) as answer:
        body = await answer.json()
    assert (answer.status, body["errors"][0]["extensions"]["code"]) == (503, "UNAVAILABLE")
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.headers.getall("X-Request-Id")) == 1


async def test_no_log_has_the_path_of_a_link(
    http: aiohttp.ClientSession, capfd: pytest.CaptureFixture[str]
) -> None:
    [nobody] = free_ports(1)
    async with http_cache(nobody) as url:
        for path in (
            "/t/secret-of-a-link",
            "/exports/links/secret-of-a-link",
            "/graphql?query=shown",
        ):
            async with http.get(f"{url}{path}") as answer:
                assert (answer.status, answer.content_type) == (503, "application/json")
                assert len(answer.headers.getall("X-Request-Id")) == 1
    logged = capfd.readouterr().err
    assert "query=shown" in logged
    assert "secret-of-a-link" not in logged


async def test_links_pass_through_uncached(cached: Cached) -> None:
    url = cached.url.removesuffix("/graphql")
    for path, kind in (("/t/unknown", "text/html"), ("/exports/links/unknown", "application/json")):
        for _ in range(2):
            async with cached.http.get(f"{url}{path}") as answer:
                assert (answer.status, answer.content_type) == (404, kind)
                assert answer.headers["Cache-Control"] == "no-store"
                assert "X-Cache" not in answer.headers


async def test_a_repeated_get_is_a_hit_with_its_own_request_id_and_the_original_date(
    cached: Cached,
) -> None:
    first = await cached.get(PLANS, **{"X-Request-Id": "first"})
    again = await cached.get(PLANS)
    named = await cached.get(PLANS, **{"X-Request-Id": "third"})
    assert [state(a) for a in (first, again, named)] == ["MISS", "HIT", "HIT"]
    assert await first.read() == await again.read() == await named.read()
    assert len((await first.json())["data"]["featuredPlans"]) > 0
    assert first.headers["X-Request-Id"] == "first"
    assert named.headers["X-Request-Id"] == "third"
    assert len(again.headers["X-Request-Id"]) == 32
    for answer in (first, again, named):
        assert answer.headers["Cache-Control"] == "public, max-age=3600"
        assert answer.headers["ETag"] == first.headers["ETag"]
        assert answer.headers["Date"] == first.headers["Date"]
        # nginx would repeat the id it stored with the response.
        assert "Age" not in answer.headers
        for name in ("X-Request-Id", "X-Cache"):
            assert len(answer.headers.getall(name)) == 1


async def test_a_request_id_with_unsafe_characters_is_not_echoed(cached: Cached) -> None:
    answer = await cached.get(PLANS, **{"X-Request-Id": "no good id"})
    assert len(answer.headers["X-Request-Id"]) == 32


async def test_each_media_type_is_cached_separately(cached: Cached) -> None:
    for accepted in ("application/json", GRAPHQL):
        for expected in ("MISS", "HIT"):
            answer = await cached.get(PLANS, Accept=accepted)
            assert (state(answer), answer.content_type) == (expected, accepted)


async def test_each_origin_is_cached_separately(cached: Cached) -> None:
    allowed = "Access-Control-Allow-Origin"
    for expected in ("MISS", "HIT"):
        answer = await cached.get(PLANS)
        assert (state(answer), answer.headers.get(allowed)) == (expected, None)
    for expected in ("MISS", "HIT"):
        answer = await cached.get(PLANS, Origin=SHOP)
        assert (state(answer), answer.headers.get(allowed)) == (expected, SHOP)


async def test_a_matching_etag_gets_304_from_the_cache(cached: Cached) -> None:
    etag = (await cached.get(PLANS)).headers["ETag"]
    same = await cached.get(PLANS, **{"If-None-Match": etag})
    assert (same.status, state(same), await same.read()) == (304, "HIT", b"")
    assert same.headers["ETag"] == etag
    other = await cached.get(PLANS, **{"If-None-Match": '"other"'})
    assert (other.status, state(other)) == (200, "HIT")


async def test_requests_with_a_session_bypass_the_cache(cached: Cached, platform: Platform) -> None:
    ann = {"Authorization": f"Bearer {await platform.auth.token('ann@example.com')}"}
    bob = {"Authorization": f"Bearer {await platform.auth.token('bob@example.com')}"}
    await platform.buy(platform.client.signed_in(ann["Authorization"].removeprefix("Bearer ")))
    own = "{ myESIMs { iccid } }"
    for headers, count in ((ann, 1), (bob, 0), (ann, 1)):
        answer = await cached.get(own, **headers)
        assert state(answer) == "BYPASS"
        assert len((await answer.json())["data"]["myESIMs"]) == count
    assert state(await cached.get(PLANS, **ann)) == "BYPASS"
    assert state(await cached.get(PLANS)) == "MISS"
    assert state(await cached.get(PLANS)) == "HIT"
    assert state(await cached.get(PLANS, **ann)) == "BYPASS"
    bad = await cached.get(PLANS, Authorization="Bearer not.a.token")
    assert (bad.status, state(bad)) == (401, "BYPASS")
    nobodys = await (await cached.get(own)).json()
    assert nobodys["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_errors_posts_and_cost_reports_are_not_stored(cached: Cached) -> None:
    for _ in range(2):
        assert state(await cached.get("{ notAField }")) == "MISS"
        answer = await cached.post({"query": PLANS})
        assert (answer.status, state(answer)) == (200, None)
    measured = await cached.get(PLANS, **{"GraphQL-Cost": "1"})
    assert (state(measured), "GraphQL-Cost" in measured.headers) == ("BYPASS", True)
    usual = await cached.get(PLANS)
    assert (state(usual), "GraphQL-Cost" in usual.headers) == ("MISS", False)


async def test_a_persisted_query_is_cached_once_its_text_is_known(cached: Cached) -> None:
    for _ in range(2):
        unknown = await cached.persisted(PLANS)
        assert state(unknown) == "MISS"
        code = (await unknown.json())["errors"][0]["extensions"]["code"]
        assert code == "PERSISTED_QUERY_NOT_FOUND"
    registered = await cached.post({"query": PLANS, "extensions": json.loads(_hash(PLANS))})
    assert "errors" not in await registered.json()
    first, again = await cached.persisted(PLANS), await cached.persisted(PLANS)
    assert [state(first), state(again)] == ["MISS", "HIT"]
    assert await again.json() == await registered.json()


async def test_websockets_and_event_streams_pass_through(
    cached: Cached, platform: Platform
) -> None:
    token = f"Bearer {await platform.auth.token('ann@example.com')}"
    async with cached.http.ws_connect(cached.url, protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"Authorization": token}})
        assert (await socket.receive_json())["type"] == "connection_ack"
    headers = {"Accept": "text/event-stream"}
    async with cached.http.post(cached.url, json={"query": PLANS}, headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        assert "event: complete" in (await answer.text())


async def test_a_stale_response_is_revalidated_by_its_etag_and_replaced_after_a_change(
    platform: Platform,
) -> None:
    async with in_front(platform, 1) as cached:
        first = await cached.get(PLANS)
        assert state(first) == "MISS"
        async with asyncio.timeout(PATIENCE):
            while state(again := await cached.get(PLANS)) != "REVALIDATED":
                assert state(again) in ("HIT", "MISS")
                await asyncio.sleep(0.05)
        assert await again.read() == await first.read()
        [plan, *_] = (await first.json())["data"]["featuredPlans"]
        await platform.hide(plan["id"])
        async with asyncio.timeout(PATIENCE):
            while (
                plan in (await (again := await cached.get(PLANS)).json())["data"]["featuredPlans"]
            ):
                assert again.headers["ETag"] == first.headers["ETag"]
                await asyncio.sleep(0.05)
        assert again.headers["ETag"] != first.headers["ETag"]
