"""A health check whose result is shared by concurrent and closely spaced requests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")

# Seconds. Any client may send health checks at any rate.
SHARED_FOR = 1.0


class SharedProbe(Generic[Result]):
    """Runs a check at most once at a time, and once in `seconds`."""

    def __init__(self, check: Callable[[], Awaitable[Result]], seconds: float = SHARED_FOR) -> None:
        self._check = check
        self._seconds = seconds
        self._last: asyncio.Future[Result] | None = None
        self._until = 0.0

    async def result(self) -> Result:
        """Return the result of the check in flight, or of a recent one; raises what the check raises."""
        now = asyncio.get_running_loop().time
        if self._last is None or (self._last.done() and now() >= self._until):
            self._last = asyncio.ensure_future(self._check())
            self._last.add_done_callback(lambda _: self._expire(now() + self._seconds))
        # A cancelled caller must not cancel the check for the others.
        return await asyncio.shield(self._last)

    def _expire(self, moment: float) -> None:
        self._until = moment
