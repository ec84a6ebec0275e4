"""Asks several for the same in turns, and takes each at its fastest."""

import time
from collections.abc import Awaitable, Callable

# Times that each is asked before it counts: PostgreSQL plans a statement anew five times.
WARM_UP = 6
Ask = Callable[[], Awaitable[int]]


async def fastest(
    asks: list[Ask], rounds: int, clock: Callable[[], float] = time.process_time
) -> tuple[list[float], list[int]]:
    """Milliseconds of each at its fastest, asked in turns, and how many plans each gave."""
    counts = []
    for ask in asks:
        for _ in range(WARM_UP):
            plans = await ask()
        counts.append(plans)
    times: list[list[float]] = [[] for _ in asks]
    for _ in range(rounds):
        for ask, taken in zip(asks, times, strict=True):
            began = clock()
            await ask()
            taken.append(clock() - began)
    return [min(taken) * 1000 for taken in times], counts
