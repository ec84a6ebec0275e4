"""Answers that a gRPC server has made and its callers have not read: bounded in bytes and in time."""

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

# The part of all bytes that one connection may have.
SHARE = 1 / 4
# Bytes. Answers up to this size also get what is reserved for them, as a part of all bytes.
SMALL = 256 * 2**10
RESERVED = 1 / 4
# Seconds after which an answer that nobody reads may cost its connection, when there is no room.
STALLED = 0.5
# Bytes that gRPC needs for an answer beside its own.
OVERHEAD = 1_024


@dataclass(eq=False, slots=True)
class Answer:
    """One answer on its way."""

    connection: str
    size: int
    since: float


class UnreadResponses:
    """Counts answers from when they are made until gRPC has sent them.

    gRPC holds an answer in memory for as long as its caller's flow-control window has no room. It can't
    be taken back: `cut` ends the connection, and returns False if it couldn't.
    """

    def __init__(
        self,
        most: int,
        seconds: float,
        cut: Callable[[str], bool],
        changed: Callable[[int], None] = lambda change: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._cut = cut
        self._changed = changed
        self._clock = clock
        self._answers: dict[Answer, None] = {}  # the oldest first
        self._by_connection: dict[str, int] = {}
        self._largest: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.total = 0

    def check(self, connection: str) -> None:
        """Raise EXHAUSTED, before any work, if one more such answer would be too many for the connection."""
        if connection in self._by_connection:
            largest = self._largest[connection]
            if self._by_connection[connection] + largest > self._most * SHARE:
                raise _unread()

    def add(self, connection: str, size: int) -> Answer:
        """Count an answer until `remove`. Raise EXHAUSTED if there is no room for it.

        The only answer of a connection may be larger than its share, and the only one of all
        larger than everything.
        """
        size += OVERHEAD
        mine = self._by_connection.get(connection, 0)
        if mine and mine + size > self._most * SHARE:
            raise _unread()
        most = self._most * (1 + RESERVED) if size <= SMALL else self._most
        while self.total and self.total + size > most:
            oldest = next(iter(self._answers))
            if self._clock() - oldest.since < STALLED or not self._end(oldest.connection):
                raise Failure(
                    Kind.EXHAUSTED,
                    "TOO_MANY_UNREAD_ANSWERS",
                    "This service has too many responses that callers have not read yet; try"
                    " again soon",
                    retry_after=RETRY_AFTER,
                )
        answer = Answer(connection, size, self._clock())
        self._answers[answer] = None
        self._count(connection, size)
        self._largest[connection] = max(size, self._largest.get(connection, 0))
        self._watch()
        return answer

    def remove(self, answer: Answer) -> None:
        """The answer was sent, or its call has ended."""
        if answer in self._answers:
            del self._answers[answer]
            self._count(answer.connection, -answer.size)

    def close(self) -> None:
        """End the watch over slow readers."""
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
        if not self._cut(connection):
            return False
        episodes.record(
            "callers do not read their responses",
            "closed the connection of %s, which did not read its responses (%d bytes)",
            connection,
            self._by_connection[connection],
        )
        for answer in [one for one in self._answers if one.connection == connection]:
            self.remove(answer)
        return True

    def _watch(self) -> None:
        if self._timer is None and self._answers:
            oldest = next(iter(self._answers))
            wait = max(0.0, oldest.since + self._seconds - self._clock())
            self._timer = asyncio.get_running_loop().call_later(wait, self._look)

    def _look(self) -> None:
        self._timer = None
        late = self._clock() - self._seconds
        for answer in list(self._answers):
            if answer.since > late:
                break
            # One that was not found is closing already, and its calls end with it.
            if answer in self._answers and not self._end(answer.connection):
                self.remove(answer)
        self._watch()


def _unread() -> Failure:
    return Failure(
        Kind.EXHAUSTED,
        "ANSWERS_NOT_READ",
        "This connection has too many unread responses; read them, then try again",
        retry_after=RETRY_AFTER,
    )
