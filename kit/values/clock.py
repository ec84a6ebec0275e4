"""The clock that waiting code is given, so that a test can step through time instead of sleeping."""

import asyncio
from asyncio import TimerHandle
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Time as the running event loop and the machine tell it; a test's clock overrides all three."""

    def now(self) -> float:
        """Seconds that only ever grow; comparable within one process."""
        return asyncio.get_running_loop().time()

    def wall(self) -> datetime:
        """The date and time in UTC; comparable between machines as far as their clocks agree."""
        return datetime.now(UTC)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> TimerHandle:
        """Calls back after so many seconds of `now`, unless the handle is cancelled before."""
        return asyncio.get_running_loop().call_later(seconds, callback)
