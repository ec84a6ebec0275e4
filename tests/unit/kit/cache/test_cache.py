"""The in-memory cache: one load for all callers, how long a value is returned, and bounds."""

import asyncio
from decimal import Decimal

import pytest

from kit.cache.cache import Cache
from tests.fixtures.stepped_clock import SteppedClock, settle
from tests.unit.kit.cache.cached_source import Get, Source, counted


async def test_a_cached_value_is_returned_until_it_expires(
    get: Get, source: Source, clock: SteppedClock
) -> None:
    assert await get() == "first"
    source.value = "second"
    await clock.advance(89)
    assert await get() == "first"
    await clock.advance(11)
    assert await get() == "second"
    assert source.loads == 2


async def test_values_cached_together_do_not_expire_together(
    cache: Cache, source: Source, clock: SteppedClock
) -> None:
    keys = [str(number) for number in range(200)]
    for key in keys:
        await cache.get_or_load("plans", key, 100, source.load)
    source.loads = 0
    await clock.advance(95)
    for key in keys:
        await cache.get_or_load("plans", key, 100, source.load)
    assert 0 < source.loads < 200


async def test_concurrent_callers_share_one_load(get: Get, source: Source) -> None:
    source.gate.clear()
    callers = [asyncio.ensure_future(get()) for _ in range(50)]
    await settle()
    source.gate.set()
    assert await asyncio.gather(*callers) == ["first"] * 50
    assert source.loads == 1


async def test_a_cancelled_caller_does_not_end_the_load(get: Get, source: Source) -> None:
    source.gate.clear()
    leader, follower = asyncio.ensure_future(get()), asyncio.ensure_future(get())
    await settle()
    leader.cancel()
    await settle()
    source.gate.set()
    assert await follower == "first"
    assert leader.cancelled()
    assert source.loads == 1


async def test_a_load_abandoned_by_all_callers_is_still_cached(get: Get, source: Source) -> None:
    source.gate.clear()
    leader = asyncio.ensure_future(get())
    await settle()
    leader.cancel()
    await settle()
    source.gate.set()
    await settle()
    assert await get() == "first"
    assert source.loads == 1


async def test_a_dropped_value_is_loaded_again(cache: Cache, get: Get, source: Source) -> None:
    await get()
    source.value = "second"
    await cache.drop("plans", "all")
    assert await get() == "second"


async def test_a_load_that_began_before_the_drop_is_not_cached(
    cache: Cache, get: Get, source: Source
) -> None:
    source.gate.clear()
    early = asyncio.ensure_future(get())
    await settle()
    await cache.drop("plans", "all")
    source.value = "second"
    late = asyncio.ensure_future(get())
    await settle()
    source.gate.set()
    assert await early == "first"
    assert await late == "second"
    assert await get() == "second"
    assert source.loads == 2


async def test_dump_and_parse_preserve_exact_decimals(cache: Cache) -> None:
    async def load() -> tuple[str, Decimal]:
        return ("x", Decimal("135.163"))

    for _ in range(2):
        value = await cache.get_or_load(
            "prices", "x", 100, load, dump=list, parse=lambda entry: (entry[0], entry[1])
        )
        assert value == ("x", Decimal("135.163"))
        assert isinstance(value[1], Decimal)
    assert counted("prices") == {"hit": 1, "miss": 1}


async def test_an_entry_that_cannot_be_parsed_is_loaded_again(cache: Cache, source: Source) -> None:
    await cache.get_or_load("plans", "all", 100, source.load)

    def refuse(_: object) -> object:
        raise KeyError("a field of another version")

    await cache.get_or_load("plans", "all", 100, source.load, parse=refuse)
    assert source.loads == 2


async def test_nothing_is_cached_without_a_time_to_live(cache: Cache, source: Source) -> None:
    for _ in range(2):
        await cache.get_or_load("plans", "all", 0, source.load)
    assert source.loads == 2


async def test_kinds_and_keys_are_distinct(cache: Cache, source: Source) -> None:
    for kind, key in (("a", "1"), ("a", "2"), ("b", "1")):
        await cache.get_or_load(kind, key, 100, source.load)
    assert source.loads == 3


async def test_memory_keeps_the_most_recently_used_values(source: Source) -> None:
    cache = Cache.open(None, namespace="test", max_entries=2)
    for key in "abac":
        await cache.get_or_load("plans", key, 100, source.load)
    assert source.loads == 3
    await cache.get_or_load("plans", "a", 100, source.load)
    assert source.loads == 3
    await cache.get_or_load("plans", "b", 100, source.load)
    assert source.loads == 4


async def test_closing_ends_loads_in_flight(cache: Cache, get: Get, source: Source) -> None:
    source.gate.clear()
    caller = asyncio.ensure_future(get())
    await settle()
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
