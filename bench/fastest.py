"""Minimum times of several functions that are called in turns."""

import time
from collections.abc import Awaitable, Callable

# Calls of each before it counts: PostgreSQL plans the first five executions of a statement separately.
WARM_UP = 6
Call = Callable[[], Awaitable[int]]


async def fastest(
    calls: list[Call], rounds: int, clock: Callable[[], float] = time.process_time
) -> tuple[list[float], list[int]]:
    """Return the minimum time of each in milliseconds, and the number of plans that each returned."""
    counts = []
    for call in calls:
        for _ in range(WARM_UP):
            plans = await call()
        counts.append(plans)
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, durations in zip(calls, times, strict=True):
            started = clock()
            await call()
            durations.append(clock() - started)
    return [min(durations) * 1000 for durations in times], counts
