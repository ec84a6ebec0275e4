"""The bytes of a WebSocket are parsed in slices, at a limited rate, and in order."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import pytest

from kit.http.read_throttle import SLICE, ReadThrottle

RATE = 16_384
BURST = 3 * RATE


@dataclass
class Handle:
    cancel: Callable[[], None]


class Steps:
    """An event loop whose time the test advances."""

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Any:
        due = (self.now + seconds, next(self._numbers), callback)
        heapq.heappush(self._due, due)

        return Handle(partial(self._due.remove, due))

    def step(self) -> bool:
        """Run the next due callback; False if there is none."""
        if not self._due:
            return False
        self.now, _, callback = heapq.heappop(self._due)
        callback()
        return True


class Line:
    """A connection that records whether it reads."""

    def __init__(self) -> None:
        self.reads = True
        self._reading_paused = self._buffer_paused = False

    def _pause_transport_reading(self) -> None:
        self.reads = False

    def _resume_transport_reading(self) -> None:
        self.reads = True


@pytest.fixture
def steps() -> Steps:
    return Steps()


def pace(steps: Any, line: Line, parsed: list[bytes]) -> ReadThrottle:
    return ReadThrottle(steps, line, parsed.append, RATE)


def test_short_data_is_parsed_at_once(steps: Steps) -> None:
    line, parsed = Line(), list[bytes]()
    pace(steps, line, parsed).received(b"a" * SLICE)
    assert parsed == [b"a" * SLICE]
    assert line.reads


def test_long_data_is_parsed_in_slices_and_then_slowly(steps: Steps) -> None:
    line, parsed = Line(), list[bytes]()
    one = pace(steps, line, parsed)
    sent = bytes(n % 251 for n in range(BURST + 4 * RATE))
    one.received(sent[:100_000])
    assert len(parsed) == 1
    assert not line.reads
    one.received(sent[100_000:])  # the transport had read these already
    while steps.step():
        assert len(parsed[-1]) <= SLICE
        assert sum(map(len, parsed)) <= BURST + steps.now * RATE + 1
    assert b"".join(parsed) == sent
    assert steps.now == pytest.approx(4, abs=0.5)
    assert line.reads


def test_reading_stays_paused_if_paused_elsewhere(steps: Steps) -> None:
    line, parsed = Line(), list[bytes]()
    pace(steps, line, parsed).received(b"a" * 2 * SLICE)
    line._reading_paused = True
    while steps.step():
        pass
    assert len(b"".join(parsed)) == 2 * SLICE
    assert not line.reads


def test_nothing_is_parsed_after_the_end(steps: Steps) -> None:
    line, parsed = Line(), list[bytes]()
    one = pace(steps, line, parsed)
    one.received(b"a" * 3 * SLICE)
    one.close()
    assert not steps.step()
    assert len(parsed) == 1
