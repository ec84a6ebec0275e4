"""Repeats pieces of background work until the service stops."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kit.errors import Failure
from kit.log_episodes import Episodes

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds between rounds with nothing to do: one indexed query each.
PAUSE = 1.0


class Rounds:
    """Runs each piece of work again and again; a piece gives how much there was to do."""

    def __init__(self, *work: Callable[[], Awaitable[int]]) -> None:
        self._work = work
        self._wakes = [asyncio.Event() for _ in work]

    def wake(self) -> None:
        """There is something to do: don't wait for the next round."""
        for event in self._wakes:
            event.set()

    async def run(self) -> None:
        """Until it is cancelled. Failures are logged, and the work is tried again."""
        async with asyncio.TaskGroup() as group:
            for work, event in zip(self._work, self._wakes, strict=True):
                group.create_task(self._repeat(work, event))

    async def _repeat(self, work: Callable[[], Awaitable[int]], wake: asyncio.Event) -> None:
        while True:
            wake.clear()
            try:
                busy = await work()
            except Failure as failure:
                episodes.met(
                    "background work is delayed", "background work is delayed: %s", failure
                )
                busy = 0
            except Exception as error:  # noqa: BLE001 - logged; it must not end for all eSIMs for good
                episodes.met(
                    "background work fails",
                    "background work failed",
                    level=logging.ERROR,
                    error=error,
                )
                busy = 0
            if not busy:
                try:
                    await asyncio.wait_for(wake.wait(), PAUSE)
                except TimeoutError:
                    continue
