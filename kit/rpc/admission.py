"""Admission control of a gRPC server: limits its calls, and shares them fairly between connections."""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from kit.errors import Failure, Kind

# Seconds after which a refused caller should try again. Calls end about that fast.
RETRY_AFTER = 1.0
# Seconds for which a new call can't be evicted in favor of a connection that has only one call fewer.
PROTECTED = 1.0
# Seconds after which a caller that has not read its response counts as one that does not read.
UNREAD = 0.5
# Seconds after which a response counts half in the recent bytes of its connection.
HALF_LIFE = 10.0
# Connections whose response sizes are remembered; the one that ended a call least recently is forgotten.
MAX_HISTORIES = 10_000
# Bytes that every call counts in addition to its response.
CALL_BYTES = 4_096
# Bytes. Producing a larger response noticeably delays all other calls.
LARGE = 256 * 2**10
# Maximum seconds for which the slot for large responses stays free after one, so that other calls can run.
MAX_PAUSE = 0.25
# Weight of the latest response in the moving average of a connection's response sizes.
LATEST_WEIGHT = 0.1


@dataclass(eq=False, slots=True)
class Call:
    """An unfinished call.

    It is `evictable` while it waits for its request, for a slot, or for changes to send on a stream.
    `done_at` is when its handler ended: from then on, only the caller's reading of the response is missing.
    """

    connection: str
    task: "asyncio.Task[object]"
    since: float
    evictable: bool = True
    evicted: bool = False
    done_at: float | None = None


@dataclass(slots=True)
class _Connection:
    """The unfinished calls of one connection, oldest first."""

    host: str
    calls: dict[Call, None] = field(default_factory=dict)


class Calls:
    """Counts the unfinished calls with or without a session, up to `limit`.

    At the limit, a new call evicts a waiting one from the host with the most calls, and there from the
    connection with the most calls. If no call can be evicted, a connection that does not read its responses
    is closed. `close` closes a connection, and returns False if it can't.
    """

    def __init__(
        self,
        limit: int,
        clock: Callable[[], float] = time.monotonic,
        close: Callable[[str], bool] = lambda connection: False,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._close = close
        self._by_connection: dict[str, _Connection] = {}
        self._by_host: Counter[str] = Counter()
        self.count = 0

    def enter(self, connection: str) -> Call:
        """Admit the call of the current task. Raises EXHAUSTED at the limit if no call can be evicted."""
        task = asyncio.current_task()
        assert task is not None  # calls are served in tasks
        if self.count >= self._limit and not self._evict_for(connection):
            raise too_many()
        call = Call(connection, task, self._clock())
        known = self._by_connection.get(connection)
        if known is None:
            known = self._by_connection[connection] = _Connection(_host(connection))
        known.calls[call] = None
        self._by_host[known.host] += 1
        self.count += 1
        return call

    def leave(self, call: Call) -> None:
        """Stop counting a call that has ended. Does nothing for an evicted call."""
        known = self._by_connection.get(call.connection)
        if known is None or call not in known.calls:
            return
        del known.calls[call]
        self.count -= 1
        self._by_host[known.host] -= 1
        if not self._by_host[known.host]:
            del self._by_host[known.host]
        if not known.calls:
            del self._by_connection[call.connection]

    def done(self, call: Call) -> None:
        """Note that the handler has ended: the call ends as soon as its response was read."""
        call.evictable, call.done_at = False, self._clock()

    def _evict_for(self, connection: str) -> bool:
        """Evict a call of a larger connection, or close a larger one; return False if that is impossible."""
        larger = self._with_more_calls(connection)
        for other, excess in larger:
            for call in reversed(other.calls):
                protected = self._clock() - call.since < PROTECTED
                if call.evictable and (not protected or excess > 1):
                    self._evict(call)
                    return True
        done_before = self._clock() - UNREAD
        for other, _ in larger:
            unread = [c for c in other.calls if c.done_at is not None and c.done_at <= done_before]
            if unread and self._close(unread[0].connection):
                for call in list(other.calls):
                    self.leave(call)
                return True
        return False

    def _with_more_calls(self, connection: str) -> list[tuple[_Connection, int]]:
        """Return the connections with more calls than this one, and how many more; most calls first.

        Connections of the same host are compared with this one; for those of another host, the two hosts are
        compared.
        """
        known = self._by_connection.get(connection)
        host, mine = (known.host, len(known.calls)) if known else (_host(connection), 0)
        hosts = self._by_host
        found = []
        for other in self._by_connection.values():
            excess = (
                len(other.calls) - mine if other.host == host else hosts[other.host] - hosts[host]
            )
            if excess > 0:
                found.append((other, excess))
        found.sort(key=lambda item: (hosts[item[0].host], len(item[0].calls)), reverse=True)
        return found

    def _evict(self, call: Call) -> None:
        self.leave(call)
        call.evicted = True
        call.task.cancel()


@dataclass(slots=True)
class _History:
    """Responses of one connection: recent bytes as of the time `at`, and the average size of a response."""

    recent_bytes: float
    at: float
    average: float


@dataclass(frozen=True, slots=True)
class Slot:
    """The right of one call to run; it is `large` if the response is expected to be large."""

    connection: str
    large: bool
    since: float


class Slots:
    """Limits how many calls without a session run at a time.

    A free slot goes to the connection that received the fewest bytes recently. All connections with large
    responses, and those without a history, share one slot. After a large response, that slot stays free for
    as long as the call took. So expensive calls run one at a time, and others find the event loop free.
    """

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._busy = 0
        self._large_busy = False
        self._waiting: dict[str, deque[asyncio.Future[Slot]]] = {}
        self._history: OrderedDict[str, _History] = OrderedDict()

    async def acquire(self, connection: str) -> Slot:
        """Wait for a slot. The caller must `release` it."""
        waiter: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(connection, deque()).append(waiter)
        self._assign()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._free(waiter.result(), pause=0)
            else:
                self._remove_waiter(connection, waiter)
            raise

    def release(self, slot: Slot, size: int) -> None:
        """Free the slot of a call that ended with a response of `size` bytes."""
        now = self._clock()
        known = self._history.pop(slot.connection, None)
        average = known.average + LATEST_WEIGHT * (size - known.average) if known else size
        recent_bytes = self._recent_bytes(known, now) + CALL_BYTES + size
        self._history[slot.connection] = _History(recent_bytes, now, average)
        if len(self._history) > MAX_HISTORIES:
            self._history.popitem(last=False)
        large = slot.large and size > LARGE
        self._free(slot, pause=min(now - slot.since, MAX_PAUSE) if large else 0)

    def _free(self, slot: Slot, *, pause: float) -> None:
        self._busy -= 1
        if slot.large and pause:
            asyncio.get_running_loop().call_later(pause, self._end_pause)
        elif slot.large:
            self._large_busy = False
        self._assign()

    def _end_pause(self) -> None:
        self._large_busy = False
        self._assign()

    def _assign(self) -> None:
        """Assign free slots to waiting calls."""
        while self._waiting and self._busy < self._count:
            now = self._clock()
            eligible = [one for one in self._waiting if self._may_run(one)]
            if not eligible:
                return
            connection = min(
                eligible, key=lambda one: self._recent_bytes(self._history.get(one), now)
            )
            waiter = self._waiting[connection][0]
            self._remove_waiter(connection, waiter)
            if waiter.done():  # cancelled, but its task has not run since
                continue
            slot = Slot(connection, self._expects_large(connection), now)
            self._busy += 1
            self._large_busy |= slot.large
            waiter.set_result(slot)

    def _may_run(self, connection: str) -> bool:
        return not (self._large_busy and self._expects_large(connection))

    def _expects_large(self, connection: str) -> bool:
        known = self._history.get(connection)
        return known is None or known.average > LARGE

    def _remove_waiter(self, connection: str, waiter: "asyncio.Future[Slot]") -> None:
        waiters = self._waiting.get(connection, deque())
        if waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiting[connection]

    @staticmethod
    def _recent_bytes(known: _History | None, now: float) -> float:
        if known is None:
            return 0.0
        return float(known.recent_bytes * 0.5 ** ((now - known.at) / HALF_LIFE))


def _host(connection: str) -> str:
    """Return the host of a connection: gRPC's name of the peer without the port."""
    return connection.rpartition(":")[0] or connection


def too_many() -> Failure:
    """Return the failure for a call that is refused or evicted because of the limit."""
    return Failure(
        Kind.EXHAUSTED,
        "TOO_MANY_CALLS",
        "This service has too many calls in flight; try again in a second, with fewer"
        " concurrent calls",
        retry_after=RETRY_AFTER,
    )
