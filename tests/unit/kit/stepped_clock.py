"""Clocks that move only when a test says so."""

import asyncio
import math
from asyncio import TimerHandle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from kit.values.clock import Clock

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


T = TypeVar("T")


class ManualClock(Generic[T]):
    """A callable that returns the time set by the test."""

    def __init__(self, now: T) -> None:
        self.now = now

    def __call__(self) -> T:
        return self.now


class SteppedClock(Clock):
    """Starts at 1000 s and at noon of a day in March."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.due: list[tuple[TimerHandle, Callable[[], None]]] = []

    def now(self) -> float:
        return 1000.0 + self.passed

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> TimerHandle:
        timer = TimerHandle(self.now() + seconds, callback, [], asyncio.get_running_loop())
        self.due.append((timer, callback))
        return timer

    def fire_next(self, end: float = math.inf) -> bool:
        """Advance to the next timer up to `end`, if there is one, and run its callback; no task runs yet."""
        self.due = [entry for entry in self.due if not entry[0].cancelled()]
        entry = min(self.due, key=lambda entry: entry[0].when(), default=None)
        if entry is None or entry[0].when() > end:
            return False
        self.due.remove(entry)
        self.passed = max(self.passed, entry[0].when() - 1000.0)
        entry[1]()
        return True

    async def advance(self, seconds: float) -> None:
        """Advance, run due callbacks on the way, and let all tasks run until they wait."""
        end = self.now() + seconds
        while self.fire_next(end):
            await settle()
        self.passed = end - 1000.0
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something external; more rounds are not needed here."""
    for _ in range(20):
        await asyncio.sleep(0)
