import asyncio
import tracemalloc

import orjson
import pytest

from gateway.http.response_cache import OVERHEAD, Cached, Reservation, ResponseCache, compact
from tests.fixtures.stepped_clock import SteppedClock

SECONDS = 60.0
# A body, and the size of eight entries with such bodies and keys of one letter.
BODY = 125
ROOM = 8 * (OVERHEAD + 1 + BODY)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def cache(clock: SteppedClock) -> ResponseCache:
    return ResponseCache(SECONDS, max_bytes=ROOM, clock=clock)


async def keep(cache: ResponseCache, key: str, body: bytes = b"{}") -> None:
    reservation = await cache.get_or_reserve(key)
    assert isinstance(reservation, Reservation)
    with reservation:
        reservation.store(body, cost=7)


async def test_a_response_is_cached_until_it_expires(
    cache: ResponseCache, clock: SteppedClock
) -> None:
    await keep(cache, "a", b"{1}")
    clock.passed += SECONDS
    found = cache.find("a")
    assert found is not None
    assert (found.body, found.cost, cache.age(found)) == (b"{1}", 7, 60)
    clock.passed += 1
    assert cache.find("a") is None


async def test_equal_responses_have_equal_etags_and_others_differ(cache: ResponseCache) -> None:
    for key, body in (("a", b"{1}"), ("b", b"{1}"), ("c", b"{2}")):
        await keep(cache, key, body)
    marks = [found.etag for key in "abc" if (found := cache.find(key))]
    assert marks[0] == marks[1] != marks[2]


async def test_a_change_clears_the_cache(cache: ResponseCache) -> None:
    await keep(cache, "a")
    cache.drop()
    assert cache.find("a") is None


async def test_a_response_read_before_a_change_is_not_cached_after_it(cache: ResponseCache) -> None:
    reservation = await cache.get_or_reserve("a")
    assert isinstance(reservation, Reservation)
    with reservation:
        cache.drop()
        assert (
            reservation.store(b"old", cost=1).body == b"old"
        )  # its own request began before the change
    assert cache.find("a") is None


async def test_the_least_recently_used_responses_are_evicted(cache: ResponseCache) -> None:
    for key in "abcdefgh":
        await keep(cache, key, b"x" * BODY)
    assert cache.find("a") is not None
    await keep(cache, "i", b"x" * BODY)
    assert cache.find("b") is None
    assert all(cache.find(key) for key in "acdefghi")


async def test_an_oversized_response_is_not_cached(cache: ResponseCache) -> None:
    await keep(cache, "a")
    await keep(cache, "b", b"x" * (ROOM + 1))
    assert cache.find("b") is None
    assert cache.find("a") is not None


async def test_a_replaced_response_counts_once(cache: ResponseCache, clock: SteppedClock) -> None:
    for _ in range(20):
        await keep(cache, "a", b"x" * 400)
        clock.passed += SECONDS + 1
    await keep(cache, "b", b"x" * 400)
    await keep(cache, "c", b"x" * 400)
    assert cache.find("b") is not None


async def test_concurrent_misses_compute_the_response_once(cache: ResponseCache) -> None:
    made = 0
    begun, ready = asyncio.Event(), asyncio.Event()

    async def ask() -> bytes:
        nonlocal made
        found = await cache.get_or_reserve("a")
        if isinstance(found, Cached):
            return found.body
        with found:
            made += 1
            begun.set()
            await ready.wait()
            return found.store(b"{}", cost=1).body

    asking = [asyncio.create_task(ask()) for _ in range(5)]
    await begun.wait()
    ready.set()
    assert await asyncio.gather(*asking) == [b"{}"] * 5
    assert made == 1


async def test_concurrent_callers_continue_on_their_own_if_the_first_fails(
    cache: ResponseCache,
) -> None:
    begun, ready = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        reservation = await cache.get_or_reserve("a")
        assert isinstance(reservation, Reservation)
        with reservation:
            begun.set()
            await ready.wait()
            raise OSError

    async def ask() -> bytes:
        found = await cache.get_or_reserve("a")
        assert isinstance(found, Reservation)
        with found:
            return found.store(b"{}", cost=1).body

    failing = asyncio.create_task(fail())
    await begun.wait()
    asking = asyncio.create_task(ask())
    ready.set()
    with pytest.raises(OSError):  # noqa: PT011 - it has no words
        await failing
    assert await asking == b"{}"


async def test_small_responses_count_with_their_keys(cache: ResponseCache) -> None:
    """Free text produces many answers; most are empty lists."""
    for number in range(1_000):
        await keep(cache, f"a text that nobody else types {number}", b"[]")
    assert len(cache) < 10
    assert cache.size <= ROOM


@pytest.mark.parametrize("characters", [10, 1_500, 5_000, 20_000])
async def test_the_counted_size_covers_the_memory_of_entries(characters: int) -> None:
    cache = ResponseCache(SECONDS)
    bodies = range(200)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in bodies:
            reservation = await cache.get_or_reserve(("document", compact(orjson.dumps([number]))))
            assert isinstance(reservation, Reservation)
            with reservation:
                reservation.store(orjson.dumps("x" * characters), cost=7)
            del reservation
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(cache) == len(bodies)
    assert after - before <= cache.size


async def test_expired_responses_are_dropped_without_another_request(
    cache: ResponseCache, clock: SteppedClock
) -> None:
    await keep(cache, "a")
    await clock.advance(SECONDS / 2)
    await keep(cache, "b")
    await clock.advance(SECONDS / 2)
    assert len(cache) == 1
    await clock.advance(SECONDS)
    assert (len(cache), cache.size) == (0, 0)
    assert not clock.due  # no timer runs for an empty cache
    await keep(cache, "c")
    assert len(clock.due) == 1
