"""The cache in a real Redis: shared between processes, without secrets, and optional."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kit.cache.cache import Cache
from kit.telemetry import metrics
from tests.fixtures.programs.odd_redis import ODD_ANSWERS, odd_redis
from tests.fixtures.programs.redis_server import RedisServer
from tests.fixtures.stepped_clock import SteppedClock


@asynccontextmanager
async def opened(redis_server: RedisServer, clock: SteppedClock) -> AsyncIterator[Cache]:
    cache = Cache.open(redis_server.url, namespace="test", clock=clock)
    try:
        yield cache
    finally:
        await cache.close()


class Source:
    def __init__(self, value: str = "value") -> None:
        self.value = value
        self.loads = 0

    async def load(self) -> str:
        self.loads += 1
        return self.value


async def test_another_process_finds_the_value(
    redis_server: RedisServer, clock: SteppedClock
) -> None:
    source = Source()
    for _ in range(2):
        async with opened(redis_server, clock) as cache:
            assert await cache.get_or_load("plans", "all", 100, source.load, stale=50) == "value"
    assert source.loads == 1
    assert redis_server.redis.keys() == [b"test:plans:all"]
    assert (
        90_000 < redis_server.redis.pttl("test:plans:all") <= 150_000
    )  # the TTL, jitter and stale


async def test_a_drop_reaches_other_processes(
    redis_server: RedisServer, clock: SteppedClock
) -> None:
    source = Source()
    async with opened(redis_server, clock) as one, opened(redis_server, clock) as other:
        await one.get_or_load("plans", "all", 100, source.load)
        await other.drop("plans", "all")
        await one.get_or_load("plans", "all", 100, source.load)
    assert source.loads == 2


async def test_secrets_never_reach_redis(redis_server: RedisServer, clock: SteppedClock) -> None:
    source = Source()
    async with opened(redis_server, clock) as cache:
        for _ in range(2):
            await cache.get_or_load("install", "1", 100, source.load, secret=True)
        assert source.loads == 1
        assert redis_server.redis.keys() == []
        await cache.drop("install", "1")
        await cache.get_or_load("install", "1", 100, source.load, secret=True)
        assert source.loads == 2


@pytest.mark.parametrize("content", [b"\x80\x04pickle", b"{}", b"[1]", b"not JSON", b"\xff"])
async def test_a_foreign_entry_is_a_miss(
    redis_server: RedisServer, clock: SteppedClock, content: bytes
) -> None:
    redis_server.redis.set("test:plans:all", content)
    async with opened(redis_server, clock) as cache:
        assert await cache.get_or_load("plans", "all", 100, Source().load) == "value"
        assert await cache.get_or_load("plans", "all", 100, Source("new").load) == "value"


async def test_without_redis_every_call_is_a_miss_and_its_absence_is_logged_once(
    redis_server: RedisServer, clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source()
    async with opened(redis_server, clock) as cache:
        await cache.get_or_load("plans", "all", 100, source.load)
        redis_server.stop()
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                assert await cache.get_or_load("plans", "all", 100, source.load) == "value"
        assert source.loads == 4
        assert caplog.text.count("Redis is unavailable") == 1
        assert metrics.registry().get_sample_value("esimgo_redis_failures_total") == 1

        redis_server.start()
        await clock.advance(5)
        with caplog.at_level(logging.WARNING):
            await cache.get_or_load("plans", "all", 100, source.load)
        assert caplog.text.count("Redis is available again") == 1


async def test_a_drop_during_a_redis_outage_is_applied_later(
    redis_server: RedisServer, clock: SteppedClock
) -> None:
    async with opened(redis_server, clock) as cache:
        await cache.get_or_load("plans", "all", 100, Source("old").load)
        redis_server.stop()
        await cache.drop("plans", "all")
        redis_server.start()
        assert redis_server.redis.exists("test:plans:all")
        await clock.advance(5)
        assert await cache.get_or_load("plans", "all", 100, Source("new").load) == "new"
        assert await cache.get_or_load("plans", "all", 100, Source("newer").load) == "new"


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "unix:///tmp/x", "redis://"])
def test_an_address_that_is_not_redis_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"redis://host:6379/0") as raised:
        Cache.open(url, namespace="test")
    assert url == "redis://" or url not in str(raised.value)


@pytest.mark.parametrize("answer", ODD_ANSWERS)
async def test_a_server_that_does_not_answer_as_redis_is_done_without(
    answer: bytes, clock: SteppedClock
) -> None:
    source = Source()
    async with odd_redis(answer) as url:
        cache = Cache.open(url, namespace="test", clock=clock)
        for _ in range(2):
            assert await cache.get_or_load("plans", "all", 100, source.load) == "value"
        await cache.drop("plans", "all")
        await cache.close()
    assert source.loads == 2
