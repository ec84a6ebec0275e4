"""Background work of a process: single tasks, and loops that run until the process stops."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from kit.errors import SERVICE_UNAVAILABLE, Failure
from kit.logs.episodes import Episodes

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds after a failed round of a loop that only `wake` runs.
RETRY = 1.0
# Seconds for which a new process waits without a warning for other services, which start at the same time.
STARTING = 15.0

T = TypeVar("T")


def start(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Start a task. The caller keeps a reference to it, and cancels it to end it.

    Any other exception that ends the task is logged with `name`, even if nothing awaits the task.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_log_failure)
    return task


def _log_failure(task: asyncio.Task[Any]) -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    if isinstance(error, Failure):  # a known kind, such as an unavailable database
        logger.warning("background task %r failed: %s", task.get_name(), error)
    else:
        logger.error("background task %r failed", task.get_name(), exc_info=error)


def _is_cancelled() -> bool:
    """True if the current task was cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def sleep(seconds: float, stop: asyncio.Event) -> None:
    """Wait for this time, or until the process has to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


class Loop:
    """Work that is repeated until `stop` is set. `name` identifies it in the log.

    If a round returns a true value, the next round starts after `rest` seconds. Otherwise it starts after
    `every` seconds or when `wake` is called; without `every`, only when `wake` is called. A failed round
    is logged and retried after the same interval, regardless of `wake`.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        stop: asyncio.Event,
        *,
        every: float | None,
        rest: float = 0,
    ) -> None:
        self.name = name
        self._work = work
        self._stop = stop
        self._every = every
        self._rest = rest
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Start the next round now, or as soon as the current one ends."""
        self._woken.set()

    async def run(self) -> None:
        """Run rounds until `stop` is set. The current round is finished first."""
        now = asyncio.get_running_loop().time
        quiet_until = now() + STARTING
        while not self._stop.is_set():
            self._woken.clear()
            try:
                busy = await self._work()
            except Failure as failure:
                if failure.reason == SERVICE_UNAVAILABLE and now() < quiet_until:
                    logger.debug("%s: waiting until it can start: %s", self.name, failure)
                else:
                    episodes.record(f"{self.name}: waiting", "%s: waiting: %s", self.name, failure)
            except (Exception, asyncio.CancelledError) as error:
                if _is_cancelled():
                    raise
                episodes.record(
                    f"{self.name}: failed",
                    "%s: failed, will be tried again",
                    self.name,
                    level=logging.ERROR,
                    error=error,
                )
            else:
                if not busy:
                    await self._pause()
                elif self._rest:
                    await sleep(self._rest, self._stop)
                continue
            await sleep(self._every or RETRY, self._stop)

    async def _pause(self) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self._woken, self._stop)]
        try:
            await asyncio.wait(waits, timeout=self._every, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


@asynccontextmanager
async def running(*loops: Loop, grace: float) -> AsyncIterator[None]:
    """Run loops within the block, then give each `grace` seconds to finish its current round.

    Rounds that take longer are cancelled, as are all if the block raises: another process can take
    over their work.
    """
    tasks = [start(loop.run(), loop.name) for loop in loops]
    try:
        yield
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
