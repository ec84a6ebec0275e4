"""Which calls a gRPC server takes on: bounded in number, and shared fairly between connections."""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from kit.errors import Failure, Kind

# Seconds after which a caller should try again; what holds the places changes that fast.
RETRY_AFTER = 1.0
# Seconds after which a waiting call may give way to one of a connection that has hardly fewer.
SETTLED = 1.0
# Seconds after which a call whose handler is done counts as one whose caller does not read.
UNREAD = 0.5
# Seconds in which half of what a connection was sent is forgotten.
HALF_LIFE = 10.0
# Connections whose answers are remembered.
MOST_REMEMBERED = 10_000
# Connections that one host may have while it holds the most calls and there is no place for another one.
# gRPC hands over the calls of all connections one after another: what it has not handed over yet of a
# closed connection is gone, and with it what others wait for.
CONNECTIONS_WHEN_FULL = 8
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
    """An unfinished call. One that `waits` (for its request, its turn, or news) may be given up.

    `done_at` is when its handler was done: it is unfinished only until its caller has read the answer.
    """

    connection: str
    task: "asyncio.Task[object]"
    since: float
    waits: bool = True
    given_up: bool = False
    done_at: float | None = None


class Calls:
    """Unfinished calls of one kind; when there are too many, the host with the most loses one.

    Of one host, the connection with the most does. Where none waits, `cut` ends a connection that does
    not read its answers, and returns False if it couldn't.
    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float] = time.monotonic,
        cut: Callable[[str], bool] = lambda connection: False,
    ) -> None:
        self._most = most
        self._clock = clock
        self._cut = cut
        self._by_connection: dict[str, dict[Call, None]] = {}
        self._of_host: Counter[str] = Counter()
        self.count = 0

    def enter(self, connection: str) -> Call:
        """Take on the call of the current task. Raise EXHAUSTED if there is no place for it."""
        task = asyncio.current_task()
        assert task is not None  # calls are served in tasks
        if self.count >= self._most:
            self._thin_out(connection)
        if self.count >= self._most and not self._make_room(connection):
            raise too_many()
        call = Call(connection, task, self._clock())
        self._by_connection.setdefault(connection, {})[call] = None
        self._of_host[_host(connection)] += 1
        self.count += 1
        return call

    def leave(self, call: Call) -> None:
        """The call has ended; one that was given up has left already."""
        calls = self._by_connection.get(call.connection, {})
        if call not in calls:
            return
        del calls[call]
        self.count -= 1
        host = _host(call.connection)
        self._of_host[host] -= 1
        if not self._of_host[host]:
            del self._of_host[host]
        if not calls:
            del self._by_connection[call.connection]

    def done(self, call: Call) -> None:
        """The handler is done: the call ends as soon as its answer was read."""
        call.waits, call.done_at = False, self._clock()

    def _thin_out(self, connection: str) -> None:
        """Close the connection if its host has the most calls, on too many connections."""
        host = _host(connection)
        mine = sum(_host(other) == host for other in self._by_connection)
        if mine < CONNECTIONS_WHEN_FULL or self._of_host[host] < max(self._of_host.values()):
            return
        if self._cut(connection):
            for call in list(self._by_connection.get(connection, ())):
                self.leave(call)
            raise too_many()

    def _make_room(self, connection: str) -> bool:
        larger = self._larger(connection)
        for other, more in larger:
            for call in reversed(self._by_connection[other]):
                settled = self._clock() - call.since >= SETTLED
                if call.waits and (settled or more > 1):
                    self._give_up(call)
                    return True
        late = self._clock() - UNREAD
        for other, _ in larger:
            calls = self._by_connection[other]
            unread = any(c.done_at is not None and c.done_at <= late for c in calls)
            if unread and self._cut(other):
                for call in list(calls):
                    self.leave(call)
                return True
        return False

    def _larger(self, connection: str) -> list[tuple[str, int]]:
        """The connections that have more calls, the largest first, and how many more.

        Those of another host if that has more in all.
        """
        host, mine = _host(connection), len(self._by_connection.get(connection, ()))

        def size(other: str) -> tuple[int, int]:
            return self._of_host[_host(other)], len(self._by_connection[other])

        found = []
        for other in sorted(self._by_connection, key=size, reverse=True):
            same = _host(other) == host
            of_host, calls = size(other)
            more = calls - mine if same else of_host - self._of_host[host]
            if more > 0:
                found.append((other, more))
        return found

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


def _host(connection: str) -> str:
    """Whose connection it is, as gRPC writes it without the port."""
    return connection.rpartition(":")[0] or connection


def too_many() -> Failure:
    """What a call hears for which there is no place."""
    return Failure(
        Kind.EXHAUSTED,
        "TOO_MANY_CALLS",
        "This service has too many calls in flight; try again in a second, with fewer"
        " concurrent calls",
        retry_after=RETRY_AFTER,
    )
