"""Which calls a gRPC server takes on: bounded in number, and shared fairly between connections."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from kit.errors import Failure, Kind

# Seconds after which a caller should try again; what holds the places changes that fast.
RETRY_AFTER = 1.0
# Seconds after which a waiting call may give way to one of a connection that has hardly fewer.
SETTLED = 1.0
# Seconds in which half of what a connection was sent is forgotten.
HALF_LIFE = 10.0
# Connections whose answers are remembered.
MOST_REMEMBERED = 10_000
# Bytes that a call counts beside its answer.
CALL = 4_096
# Bytes of an answer above which making it delays all other calls.
LARGE = 256 * 2**10
# Seconds that the place for large answers is left free at most after one, for all others to go on.
LONGEST_PAUSE = 0.25
# How much the latest answer counts in the usual size of a connection's answers.
LATEST = 0.1


@dataclass(eq=False, slots=True)
class Call:
    """An unfinished call. One that `waits` (for its request, its turn, or news) may be given up."""

    connection: str
    task: "asyncio.Task[object]"
    since: float
    waits: bool = True
    given_up: bool = False


class Calls:
    """Unfinished calls of one kind; when there are too many, the connection with the most loses one."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._by_connection: dict[str, dict[Call, None]] = {}
        self.count = 0

    def enter(self, connection: str) -> Call:
        """Take on the call of the current task. Raise EXHAUSTED if there is no place for it."""
        task = asyncio.current_task()
        assert task is not None  # calls are served in tasks
        if self.count >= self._most and not self._make_room(connection):
            raise too_many()
        call = Call(connection, task, self._clock())
        self._by_connection.setdefault(connection, {})[call] = None
        self.count += 1
        return call

    def leave(self, call: Call) -> None:
        """The call has ended; one that was given up has left already."""
        calls = self._by_connection.get(call.connection, {})
        if call in calls:
            del calls[call]
            self.count -= 1
            if not calls:
                del self._by_connection[call.connection]

    def _make_room(self, connection: str) -> bool:
        mine = len(self._by_connection.get(connection, ()))
        for calls in sorted(self._by_connection.values(), key=len, reverse=True):
            if len(calls) <= mine:
                return False
            for call in reversed(calls):
                settled = self._clock() - call.since >= SETTLED
                if call.waits and (settled or len(calls) > mine + 1):
                    self._give_up(call)
                    return True
        return False

    def _give_up(self, call: Call) -> None:
        self.leave(call)
        call.given_up = True
        call.task.cancel()


@dataclass(slots=True)
class _History:
    """What a connection was sent: bytes `lately`, as of `at`, and the `usual` size of its answers."""

    lately: float
    at: float
    usual: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One call's time to work; it is `large` if its answer is likely to be."""

    connection: str
    large: bool
    since: float


class Turns:
    """Places to work for calls without a session.

    A free place goes to the connection that was sent the fewest bytes lately. Connections that fetch
    large answers, and those of which nothing is known yet, have one place together, which stays free
    after an answer for as long as that took to make. So calls that cost much wait for each other, and
    others find the event loop free.
    """

    def __init__(self, places: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._clock = clock
        self._busy = 0
        self._large_busy = False
        self._waiting: dict[str, deque[asyncio.Future[Turn]]] = {}
        self._history: OrderedDict[str, _History] = OrderedDict()

    async def take(self, connection: str) -> Turn:
        """Wait for a place. Each turn needs a `leave`."""
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(connection, deque()).append(turn)
        self._fill()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free(turn.result(), pause=0)
            else:
                self._forget(connection, turn)
            raise

    def leave(self, turn: Turn, size: int) -> None:
        """The call has ended with an answer of so many bytes: the next one works."""
        now = self._clock()
        known = self._history.pop(turn.connection, None)
        usual = known.usual + LATEST * (size - known.usual) if known else size
        lately = self._lately(known, now) + CALL + size
        self._history[turn.connection] = _History(lately, now, usual)
        if len(self._history) > MOST_REMEMBERED:
            self._history.popitem(last=False)
        large = turn.large and size > LARGE
        self._free(turn, pause=min(now - turn.since, LONGEST_PAUSE) if large else 0)

    def _free(self, turn: Turn, *, pause: float) -> None:
        self._busy -= 1
        if turn.large and pause:
            asyncio.get_running_loop().call_later(pause, self._end_pause)
        elif turn.large:
            self._large_busy = False
        self._fill()

    def _end_pause(self) -> None:
        self._large_busy = False
        self._fill()

    def _fill(self) -> None:
        while self._waiting and self._busy < self._places:
            now = self._clock()
            fair = [one for one in self._waiting if self._may(one)]
            if not fair:
                return
            connection = min(fair, key=lambda one: self._lately(self._history.get(one), now))
            waiting = self._waiting[connection][0]
            self._forget(connection, waiting)
            if waiting.done():  # cancelled, and about to hear of it
                continue
            turn = Turn(connection, self._large(connection), now)
            self._busy += 1
            self._large_busy |= turn.large
            waiting.set_result(turn)

    def _may(self, connection: str) -> bool:
        return not (self._large_busy and self._large(connection))

    def _large(self, connection: str) -> bool:
        known = self._history.get(connection)
        return known is None or known.usual > LARGE

    def _forget(self, connection: str, turn: "asyncio.Future[Turn]") -> None:
        turns = self._waiting.get(connection, deque())
        if turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[connection]

    @staticmethod
    def _lately(known: _History | None, now: float) -> float:
        return 0.0 if known is None else float(known.lately * 0.5 ** ((now - known.at) / HALF_LIFE))


def too_many() -> Failure:
    """What a call hears for which there is no place."""
    return Failure(
        Kind.EXHAUSTED,
        "TOO_MANY_CALLS",
        "This service has too many unfinished calls; try again in a second, with fewer at once",
        retry_after=RETRY_AFTER,
    )
