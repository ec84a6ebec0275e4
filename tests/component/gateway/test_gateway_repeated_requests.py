"""Repeated requests: answered from the response cache without the handler, with the same bytes."""

import json
from functools import partial
from typing import Any

import pytest

from gateway.defence_settings import DefenceSettings
from gateway.http import app
from gateway.http.rate_limits import RateLimits
from tests.fixtures.cached_gateway import CachedGateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.programs.redis_server import RedisServer
from tests.fixtures.tracing import Spans, arrives

QUERY = "{ featuredPlans { id name } }"
BODY = json.dumps({"query": QUERY}).encode()
# Headers that may differ between two responses to the same request.
OWN = frozenset({"date", "age", "x-request-id"})


async def ask(cached: CachedGateway, method: str, headers: dict[str, str]) -> tuple[Any, ...]:
    """Return status, headers and body without the headers that belong to one response."""
    sending = cached.get(QUERY, **headers) if method == "GET" else cached.post(BODY, **headers)
    response, body = await sending
    common = [(name, value) for name, value in response.headers.items() if name.lower() not in OWN]
    return response.status, common, body


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "application/graphql-response+json"},
        {"Origin": "https://shop.example"},
        {"X-Forwarded-For": "1.2.3.4", "Accept-Language": "en"},
        {"Cookie": "a=b"},
    ],
)
async def test_a_repeated_request_gets_the_same_response_without_the_handler(
    cached: CachedGateway, method: str, headers: dict[str, str]
) -> None:
    first, *repeated = [await ask(cached, method, headers) for _ in range(4)]
    assert first[0] == 200
    assert repeated == [first] * 3
    assert cached.handled == 2  # the second response came from the cache


async def test_a_matching_etag_gets_304_with_and_without_the_handler(cached: CachedGateway) -> None:
    response, _ = await cached.get(QUERY)
    headers = {"If-None-Match": response.headers["ETag"]}
    answers = [await ask(cached, "GET", headers) for _ in range(3)]
    assert [status for status, *_ in answers] == [304] * 3
    assert answers[0] == answers[1] == answers[2]
    assert cached.handled == 2
    status, *_ = await ask(cached, "GET", {})
    assert status == 200


async def test_each_response_has_its_own_request_id_or_the_clients(cached: CachedGateway) -> None:
    ids = [(await cached.post(BODY))[0].headers["X-Request-Id"] for _ in range(4)]
    assert len(set(ids)) == 4
    response, _ = await cached.post(BODY, **{"X-Request-Id": "mine:1"})
    assert response.headers["X-Request-Id"] == "mine:1"
    assert cached.handled == 2


async def test_after_a_change_the_handler_creates_a_new_response(cached: CachedGateway) -> None:
    for _ in range(3):
        await cached.post(BODY)
    cached.name_plans(["three"])
    cached.cache.drop()
    for _ in range(3):
        _, body = await cached.post(BODY)
        assert b'"three"' in body
    assert cached.handled == 3


async def test_the_same_body_at_another_path_is_not_found(cached: CachedGateway) -> None:
    for _ in range(3):
        await cached.post(BODY)
    async with cached.http.post(
        cached.url.replace("/graphql", "/elsewhere"),
        data=BODY,
        headers={"Content-Type": "application/json"},
    ) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY, {"Authorization": "Bearer rubbish"}),
        (BODY, {"GraphQL-Cost": "?"}),
        (b'{"query": "{ myESIMs { id } }"}', {}),
        (b'{"query": "{ featuredPlans(first: 99) { id } }"}', {}),
        (b'{"query": "{ featuredPlans { id } '.ljust(16_385) + b'}"}', {}),
        (BODY, {"Accept": "*/*, ".ljust(16_384, "a")}),
    ],
)
async def test_other_requests_always_run_the_handler(
    cached: CachedGateway, body: bytes, headers: dict[str, str]
) -> None:
    for _ in range(3):
        await cached.post(BODY)
    before = cached.handled
    for _ in range(3):
        await cached.post(body, **headers)
    assert cached.handled == before + 3


async def test_a_stopping_gateway_closes_the_connection(cached: CachedGateway) -> None:
    for _ in range(3):
        await cached.post(BODY)
    cached.gateway.edge.stopping = True
    response, _ = await cached.post(BODY)
    assert response.headers["Connection"] == "close"
    assert cached.handled == 2


async def test_a_repeated_request_has_a_span(cached: CachedGateway, spans: Spans) -> None:
    for _ in range(3):
        await cached.post(BODY)
    spans.forget()
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await cached.post(BODY, **{"X-Request-Id": "mine", "traceparent": traceparent})
    span = await arrives(spans, "POST /graphql")
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/graphql",
        "url.path": "/graphql",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "esimgo.request.id": "mine",
    }
    assert span.parent is None  # clients must not decide what is recorded
    assert [f"{link.context.span_id:016x}" for link in span.links] == ["00f067aa0ba902b7"]
    assert cached.handled == 2


class TestRatesInRedis:
    @pytest.fixture
    def rate(self) -> float:
        """More operations a second than a test sends."""
        return 1_000

    @pytest.fixture
    def cached_settings(
        self, redis_server: RedisServer, rate: float, monkeypatch: pytest.MonkeyPatch
    ) -> dict[str, Any]:
        # A slow machine is not a failure.
        monkeypatch.setattr(app, "RateLimits", partial(RateLimits, timeout=PATIENCE))
        return {
            "redis_url": redis_server.url,
            "defence": DefenceSettings(address_rate=rate, user_rate=0, plain_get=True),
        }

    async def test_each_request_is_counted_once(
        self, cached: CachedGateway, redis_server: RedisServer
    ) -> None:
        for _ in range(4):
            await cached.post(BODY)
        assert int(redis_server.redis.info("commandstats")["cmdstat_eval"]["calls"]) == 4
        assert cached.handled == 2

    # One request at once and the next after ten minutes.
    @pytest.mark.parametrize("rate", [1 / 600])
    async def test_a_request_above_the_rate_limit_is_refused(self, cached: CachedGateway) -> None:
        answers = [await cached.post(BODY) for _ in range(3)]
        assert [response.status for response, _ in answers] == [200, 429, 429]
        assert b"TOO_MANY_REQUESTS" in answers[-1][1]
