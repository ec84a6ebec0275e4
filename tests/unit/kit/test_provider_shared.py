"""Tokens counted in a real Redis: shared between processes, by priority, and done without."""

import asyncio
import logging

import pytest

from kit.errors import Failure
from kit.provider_pacing import Priority
from kit.provider_shared import SharedTokens
from tests.fixtures.patience import PATIENCE
from tests.unit.kit.test_cache_redis import Server, server

__all__ = ["server"]

LIMIT = 10
# Milliseconds. No machine is so slow that it passes during a test.
HOUR = 3_600_000
# Milliseconds. A test waits for its end.
MOMENT = 100


def shared(server: Server, window: int = HOUR) -> SharedTokens:
    return SharedTokens(server.url, timeout=PATIENCE, window=window)


def within(milliseconds: int) -> float:
    """A deadline."""
    return asyncio.get_running_loop().time() + milliseconds / 1000


async def test_two_processes_together_take_no_more_than_the_limit(server: Server) -> None:
    one, two = shared(server), shared(server)
    outcomes = await asyncio.gather(
        *(t.take(1, LIMIT, Priority.WRITE, within(HOUR // 2)) for t in [one, two] * LIMIT),
        return_exceptions=True,
    )
    assert outcomes.count(None) == LIMIT
    refused = [o for o in outcomes if isinstance(o, Failure)]
    assert {failure.reason for failure in refused} == {"PROVIDER_RATE_LIMITED"}
    await one.close()
    await two.close()


async def test_there_are_tokens_again_when_the_window_has_passed(server: Server) -> None:
    tokens = shared(server, MOMENT)
    for _ in range(3):
        await tokens.take(LIMIT, LIMIT, Priority.WRITE, within(HOUR))
    await tokens.close()


async def test_some_tokens_are_left_for_those_who_go_first(server: Server) -> None:
    tokens, soon = shared(server), within(HOUR // 2)
    for _ in range(5):
        await tokens.take(1, LIMIT, Priority.SYNC, soon)
    with pytest.raises(Failure):
        await tokens.take(1, LIMIT, Priority.SYNC, soon)
    for _ in range(3):
        await tokens.take(1, LIMIT, Priority.READ, soon)
    with pytest.raises(Failure):
        await tokens.take(1, LIMIT, Priority.READ, soon)
    await tokens.take(2, LIMIT, Priority.WRITE, soon)
    await tokens.close()


async def test_what_costs_more_than_there_is_goes_alone(server: Server) -> None:
    tokens, soon = shared(server), within(HOUR // 2)
    await tokens.take(50, LIMIT, Priority.WRITE, soon)
    with pytest.raises(Failure):
        await tokens.take(1, LIMIT, Priority.WRITE, soon)
    await tokens.close()


async def test_without_redis_nobody_waits_and_it_is_told_once(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = shared(server)
    server.stop()
    with caplog.at_level(logging.WARNING):
        for _ in range(3 * LIMIT):
            await tokens.take(1, LIMIT, Priority.SYNC, within(HOUR))
    assert len([r for r in caplog.records if "Redis is away" in r.message]) == 1
    server.start()
    await tokens.close()
