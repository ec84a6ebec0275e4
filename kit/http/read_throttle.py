"""Throttle for parsing the bytes of a WebSocket, so that no client monopolizes the event loop."""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from typing import Protocol

# Size of a burst, in seconds' worth of bytes: fits the longest access token and some documents.
BURST = 3
# Bytes parsed before other tasks run: about 700 of the smallest frames.
SLICE = 4 * 1024


class ThrottledConnection(Protocol):
    """The part of a connection that a ReadThrottle uses."""

    _reading_paused: bool
    _buffer_paused: bool

    def _pause_transport_reading(self) -> None: ...

    def _resume_transport_reading(self) -> None: ...


class ReadThrottle:
    """Parses the bytes of one connection in slices, and pauses reading while some are left."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        connection: ThrottledConnection,
        parse: Callable[[bytes], None],
        rate: float,
    ) -> None:
        """`rate` is in bytes per second."""
        self._loop = loop
        self._connection = connection
        self._parse = parse
        self._pending = bytearray()
        self._rate = rate
        self._allowed = BURST * rate
        self._at = loop.time()
        self._next: TimerHandle | None = None

    def received(self, data: bytes) -> None:
        """Parse these bytes as soon as the rate permits."""
        self._pending += data
        if self._next is None:
            self._parse_slice()
        else:
            self._connection._pause_transport_reading()

    def close(self) -> None:
        """Discard the remaining bytes."""
        if self._next is not None:
            self._next.cancel()
        self._pending.clear()

    def _parse_slice(self) -> None:
        paused, self._next = self._next is not None, None
        now = self._loop.time()
        self._allowed = min(BURST * self._rate, self._allowed + (now - self._at) * self._rate)
        self._at = now
        part = bytes(self._pending[: min(SLICE, int(self._allowed))])
        del self._pending[: len(part)]
        self._allowed -= len(part)
        if self._pending:
            wait = max(0.0, (min(SLICE, len(self._pending)) - self._allowed) / self._rate)
            self._next = self._loop.call_later(wait, self._parse_slice)
            self._connection._pause_transport_reading()
        if part:
            self._parse(part)
        if paused and self._next is None:
            connection = self._connection
            if not (connection._reading_paused or connection._buffer_paused):
                connection._resume_transport_reading()
