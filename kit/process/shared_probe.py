"""A check of health that many may request and that is made once: its result is shared for a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")

# Seconds. Probes come every few seconds; any client may request more.
SHARED_FOR = 1.0


class SharedProbe(Generic[Result]):
    """Makes a check at most once at a time, and once in `seconds`."""

    def __init__(self, check: Callable[[], Awaitable[Result]], seconds: float = SHARED_FOR) -> None:
        self._check = check
        self._seconds = seconds
        self._last: asyncio.Future[Result] | None = None
        self._until = 0.0

    async def result(self) -> Result:
        """The result of the check in flight, or of one that has just ended; raises what it raised."""
        now = asyncio.get_running_loop().time
        if self._last is None or (self._last.done() and now() >= self._until):
            self._last = asyncio.ensure_future(self._check())
            self._last.add_done_callback(lambda _: self._expire(now() + self._seconds))
        # A caller that goes away leaves the others their result.
        return await asyncio.shield(self._last)

    def _expire(self, moment: float) -> None:
        self._until = moment
