"""Tokens counted in a real Redis: shared between processes, by priority, and done without."""

import asyncio
import logging

import pytest

from kit.errors import Failure
from kit.provider_pacing import Priority
from kit.provider_shared import SharedTokens
from tests.unit.kit.test_cache_redis import Server, server

__all__ = ["server"]

LIMIT = 10


def soon() -> float:
    """A deadline that is over before the window is."""
    return asyncio.get_running_loop().time() + 0.2


def later() -> float:
    return asyncio.get_running_loop().time() + 30


async def test_two_processes_together_take_no_more_than_the_limit(server: Server) -> None:
    one, two = SharedTokens(server.url), SharedTokens(server.url)
    outcomes = await asyncio.gather(
        *(t.take(1, LIMIT, Priority.WRITE, soon()) for t in [one, two] * LIMIT),
        return_exceptions=True,
    )
    assert outcomes.count(None) == LIMIT
    refused = [o for o in outcomes if isinstance(o, Failure)]
    assert {failure.reason for failure in refused} == {"PROVIDER_RATE_LIMITED"}
    # The window passes, and there are tokens again.
    await one.take(5, LIMIT, Priority.WRITE, later())
    await one.close()
    await two.close()


async def test_some_tokens_are_left_for_those_who_go_first(server: Server) -> None:
    tokens = SharedTokens(server.url)
    for _ in range(5):
        await tokens.take(1, LIMIT, Priority.SYNC, later())
    with pytest.raises(Failure):
        await tokens.take(1, LIMIT, Priority.SYNC, soon())
    for _ in range(3):
        await tokens.take(1, LIMIT, Priority.READ, later())
    with pytest.raises(Failure):
        await tokens.take(1, LIMIT, Priority.READ, soon())
    await tokens.take(2, LIMIT, Priority.WRITE, soon())
    await tokens.close()


async def test_what_costs_more_than_there_is_goes_alone(server: Server) -> None:
    tokens = SharedTokens(server.url)
    await tokens.take(50, LIMIT, Priority.WRITE, soon())
    with pytest.raises(Failure):
        await tokens.take(1, LIMIT, Priority.WRITE, soon())
    await tokens.close()


async def test_without_redis_nobody_waits_and_it_is_told_once(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = SharedTokens(server.url)
    server.stop()
    with caplog.at_level(logging.WARNING):
        for _ in range(3 * LIMIT):
            await tokens.take(1, LIMIT, Priority.SYNC, soon())
    assert len([r for r in caplog.records if "Redis is away" in r.message]) == 1
    server.start()
    await tokens.close()
