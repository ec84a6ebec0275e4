"""A clock that can be replaced, so that tests step through time instead of sleeping."""

import asyncio
import time
from asyncio import TimerHandle
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """The time of the event loop and the system; a test's clock overrides all methods."""

    # Returns monotonic seconds, comparable within one process.
    now = staticmethod(time.monotonic)

    def wall(self) -> datetime:
        """Return the date and time in UTC."""
        return datetime.now(UTC)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> TimerHandle:
        """Call `callback` after `seconds`, unless the returned handle is cancelled."""
        return asyncio.get_running_loop().call_later(seconds, callback)
