"""The in-memory cache while loading fails: who waits, who gets a stale value, and what is logged."""

import asyncio
import gc
import logging

import pytest

from kit.cache.cache import Cache
from kit.errors import Failure, Kind
from tests.fixtures.stepped_clock import SteppedClock, settle
from tests.unit.kit.cache.cached_source import Get, Source, counted


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
