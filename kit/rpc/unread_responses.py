"""Limits on the responses of a gRPC server that callers have not read yet, in bytes and time."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.rpc.admission import RETRY_AFTER

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# The share of all bytes that one connection may use.
SHARE = 1 / 4
# Bytes. Responses up to this size may also use a reserve, which is a share of all bytes.
SMALL = 256 * 2**10
RESERVED = 1 / 4
# Seconds after which an unread response may get its connection closed, if other responses need the room.
STALLED = 0.5
# Bytes that gRPC needs for a response in addition to its own.
OVERHEAD = 1_024


@dataclass(eq=False, slots=True)
class Response:
    """An unread response."""

    connection: str
    size: int
    since: float


class UnreadResponses:
    """Counts responses from their creation until gRPC has sent them.

    gRPC keeps a response in memory until the caller's flow-control window has room. The only way to free
    it is to close the connection: `close_connection` does so, and returns False if it can't.
    """

    def __init__(
        self,
        limit: int,
        seconds: float,
        close_connection: Callable[[str], bool],
        changed: Callable[[int], None] = lambda change: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._close_connection = close_connection
        self._changed = changed
        self._clock = clock
        self._responses: dict[Response, None] = {}  # oldest first
        self._by_connection: dict[str, int] = {}
        self._largest: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.total = 0

    def check(self, connection: str) -> None:
        """Raise EXHAUSTED if another response of the connection's largest size would exceed its share."""
        if connection in self._by_connection:
            largest = self._largest[connection]
            if self._by_connection[connection] + largest > self._limit * SHARE:
                raise _unread()

    def add(self, connection: str, size: int) -> Response:
        """Count a response until `remove`. Raises EXHAUSTED if there is no room for it.

        A connection's only response may exceed its share, and the server's only response the limit.
        """
        size += OVERHEAD
        mine = self._by_connection.get(connection, 0)
        if mine and mine + size > self._limit * SHARE:
            raise _unread()
        limit = self._limit * (1 + RESERVED) if size <= SMALL else self._limit
        while self.total and self.total + size > limit:
            oldest = next(iter(self._responses))
            if self._clock() - oldest.since < STALLED or not self._end(oldest.connection):
                raise Failure(
                    Kind.EXHAUSTED,
                    "TOO_MANY_UNREAD_ANSWERS",
                    "This service has too many responses that callers have not read yet; try"
                    " again soon",
                    retry_after=RETRY_AFTER,
                )
        response = Response(connection, size, self._clock())
        self._responses[response] = None
        self._count(connection, size)
        self._largest[connection] = max(size, self._largest.get(connection, 0))
        self._start_timer()
        return response

    def remove(self, response: Response) -> None:
        """Stop counting a response that was sent or whose call has ended."""
        if response in self._responses:
            del self._responses[response]
            self._count(response.connection, -response.size)

    def close(self) -> None:
        """Stop the timer for slow readers."""
        if self._timer is not None:
            self._timer.cancel()

    def _count(self, connection: str, change: int) -> None:
        self.total += change
        self._changed(change)
        left = self._by_connection.get(connection, 0) + change
        if left:
            self._by_connection[connection] = left
        else:
            self._by_connection.pop(connection, None)
            self._largest.pop(connection, None)

    def _end(self, connection: str) -> bool:
        if not self._close_connection(connection):
            return False
        episodes.record(
            "callers do not read their responses",
            "closed the connection of %s, which did not read its responses (%d bytes)",
            connection,
            self._by_connection[connection],
        )
        for response in [one for one in self._responses if one.connection == connection]:
            self.remove(response)
        return True

    def _start_timer(self) -> None:
        if self._timer is None and self._responses:
            oldest = next(iter(self._responses))
            wait = max(0.0, oldest.since + self._seconds - self._clock())
            self._timer = asyncio.get_running_loop().call_later(wait, self._close_stalled)

    def _close_stalled(self) -> None:
        self._timer = None
        late = self._clock() - self._seconds
        for response in list(self._responses):
            if response.since > late:
                break
            # If the connection was not found, it is closing already.
            if response in self._responses and not self._end(response.connection):
                self.remove(response)
        self._start_timer()


def _unread() -> Failure:
    return Failure(
        Kind.EXHAUSTED,
        "ANSWERS_NOT_READ",
        "This connection has too many unread responses; read them, then try again",
        retry_after=RETRY_AFTER,
    )
