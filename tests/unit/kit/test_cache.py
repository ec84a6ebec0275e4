"""The in-memory cache: one load for all callers, stale values while loading fails, and bounds."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal

import pytest

from kit.cache.cache import Cache
from kit.errors import Failure, Kind
from kit.telemetry import metrics
from tests.unit.kit.stepped_clock import SteppedClock, settle


class Source:
    """A value to load: counts the loads, and waits for the test on request."""

    def __init__(self) -> None:
        self.loads = 0
        self.value: object = "first"
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self) -> object:
        self.loads += 1
        value, failure = self.value, self.failure
        await self.gate.wait()
        if failure is not None:
            raise failure
        return value


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def cache(clock: SteppedClock) -> AsyncIterator[Cache]:
    with metrics.separate_registry():
        cache = Cache.open(None, namespace="test", clock=clock)
        yield cache
        await cache.close()


def counted(kind: str) -> dict[str, float]:
    """Return the outcomes of requests for one kind of value, as the metric counts them."""
    requests = metrics.counter("esimgo_cache_requests", "")
    return {
        sample.labels["outcome"]: sample.value
        for family in requests.collect()
        for sample in family.samples
        if sample.labels["kind"] == kind and sample.name.endswith("_total")
    }


Get = Callable[[], Awaitable[object]]


@pytest.fixture
def get(cache: Cache, source: Source) -> Get:
    """Get the value with a TTL of 100 s, and 50 s more while loading fails."""
    return lambda: cache.get_or_load("plans", "all", 100, source.load, stale=50)


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


async def test_a_failing_leader_does_not_fail_its_followers(cache: Cache) -> None:
    hasty, patient = Source(), Source()
    hasty.failure = Failure(Kind.DEADLINE, "DEADLINE", "no time was left")
    hasty.gate.clear()
    leader = asyncio.ensure_future(cache.get_or_load("plans", "all", 100, hasty.load))
    followers = [
        asyncio.ensure_future(cache.get_or_load("plans", "all", 100, patient.load))
        for _ in range(10)
    ]
    await settle()
    hasty.gate.set()
    assert await asyncio.gather(*followers) == ["first"] * 10
    assert (hasty.loads, patient.loads) == (1, 1)
    with pytest.raises(Failure):
        await leader


async def test_a_failing_source_is_called_at_most_twice_for_all_waiting_callers(
    get: Get, source: Source
) -> None:
    source.failure = Failure(Kind.UNAVAILABLE, "DOWN", "down")
    source.gate.clear()
    callers = [asyncio.ensure_future(get()) for _ in range(50)]
    await settle()
    source.gate.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(outcome, Failure) for outcome in outcomes)
    assert source.loads == 2


async def test_a_failure_is_not_cached(get: Get, source: Source) -> None:
    source.failure = RuntimeError("broken")
    with pytest.raises(RuntimeError):
        await get()
    source.failure = None
    assert await get() == "first"


@pytest.mark.parametrize("kind", [Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.UNCLEAR])
async def test_a_stale_value_is_returned_for_a_while_if_loading_fails(
    cache: Cache,
    get: Get,
    source: Source,
    clock: SteppedClock,
    kind: Kind,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await get()
    source.failure = Failure(kind, "DOWN", "down")
    await clock.advance(101)
    with caplog.at_level(logging.WARNING):
        assert await get() == "first"
    assert "stale value of plans" in caplog.text
    assert counted("plans") == {"miss": 2, "stale": 1, "error": 1}
    await clock.advance(50)
    with pytest.raises(Failure):
        await get()


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.NOT_FOUND, Kind.DEADLINE])
async def test_a_refusal_of_the_source_is_not_hidden_by_the_stale_value(
    get: Get, source: Source, clock: SteppedClock, kind: Kind
) -> None:
    await get()
    source.failure = Failure(kind, "NO", "no")
    await clock.advance(101)
    with pytest.raises(Failure):
        await get()


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


@pytest.mark.parametrize(
    ("failure", "logged"),
    [
        (Failure(Kind.UNAVAILABLE, "PROVIDER_ERROR", "the provider failed"), 0),
        (ValueError("a fault of ours"), 1),
    ],
)
async def test_a_failure_without_a_waiting_caller_is_logged_only_if_unexpected(
    get: Get, source: Source, caplog: pytest.LogCaptureFixture, failure: Exception, logged: int
) -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    source.failure = failure
    source.gate.clear()
    callers = [asyncio.ensure_future(get()) for _ in range(3)]
    await settle()
    for caller in callers:
        caller.cancel()
    await settle()
    source.gate.set()
    await settle()
    del callers, caller
    failure.with_traceback(None)  # whose frames reference the task
    gc.collect()  # asyncio complains when the task is freed
    assert complaints == []
    assert len(caplog.records) == logged
    assert ("a fault of ours" in caplog.text) is bool(logged)
