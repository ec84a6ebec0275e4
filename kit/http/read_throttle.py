"""The pace at which the bytes of an upgraded connection are parsed, so that none holds the event loop."""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from typing import Protocol

# Seconds' worth at once: with the default an access token of the longest size, and documents after it.
BURST = 3
# Bytes that are parsed before others have their turn: some 700 of the smallest frames.
SLICE = 4 * 1024


class Paced(Protocol):
    """What a ReadThrottle needs of a connection."""

    _reading_paused: bool
    _buffer_paused: bool

    def _pause_transport_reading(self) -> None: ...

    def _resume_transport_reading(self) -> None: ...


class ReadThrottle:
    """Passes one connection's bytes on in slices, and reads no more while some are left."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        connection: Paced,
        parse: Callable[[bytes], None],
        rate: float,
    ) -> None:
        """`rate` is in bytes a second."""
        self._loop = loop
        self._connection = connection
        self._parse = parse
        self._left = bytearray()
        self._rate = rate
        self._allowed = BURST * rate
        self._at = loop.time()
        self._next: TimerHandle | None = None

    def received(self, data: bytes) -> None:
        """Parse these bytes, now or later."""
        self._left += data
        if self._next is None:
            self._pass_on()
        else:
            self._connection._pause_transport_reading()

    def close(self) -> None:
        """Parse no more."""
        if self._next is not None:
            self._next.cancel()
        self._left.clear()

    def _pass_on(self) -> None:
        held, self._next = self._next is not None, None
        now = self._loop.time()
        self._allowed = min(BURST * self._rate, self._allowed + (now - self._at) * self._rate)
        self._at = now
        part = bytes(self._left[: min(SLICE, int(self._allowed))])
        del self._left[: len(part)]
        self._allowed -= len(part)
        if self._left:
            wait = max(0.0, (min(SLICE, len(self._left)) - self._allowed) / self._rate)
            self._next = self._loop.call_later(wait, self._pass_on)
            self._connection._pause_transport_reading()
        if part:
            self._parse(part)
        if held and self._next is None:
            connection = self._connection
            if not (connection._reading_paused or connection._buffer_paused):
                connection._resume_transport_reading()
