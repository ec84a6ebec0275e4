"""The queue of requests for the provider: by priority, then round-robin between accounts."""

import asyncio
import heapq
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

from kit.errors import Failure, Kind
from kit.values.clock import Clock

T = TypeVar("T")
# Maximum number of accounts tracked; idle ones are dropped first.
MAX_ACCOUNTS = 1_000


class Priority(IntEnum):
    """Which request goes first when tokens are short."""

    WRITE = 0  # purchases, suspensions, cancellations, and the reads that they need
    READ = 1  # other requests that customers wait for
    BULK = 2  # orders of batches, for which no one waits
    SYNC = 3  # the catalogue's sync and other background work


@dataclass(eq=False, slots=True)
class Permit:
    """Permission to send one request, and the response that it got."""

    endpoint: str
    cost: int
    since: float
    status: int | None = None
    headers: Mapping[str, str] | None = None
    priority: Priority = Priority.READ
    probes: bool = False  # True for the call that probes for the end of a hold

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers


@dataclass(eq=False, slots=True)
class Waiter(Generic[T]):
    """A request that waits for a permit until `deadline`, by the clock's `now`."""

    endpoint: str
    priority: Priority
    deadline: float
    permit: asyncio.Future[T]


class Queue(Generic[T]):
    """Waiting requests: by priority, then round-robin between accounts, then first come, first served."""

    def __init__(self) -> None:
        self._heap: list[tuple[Priority, int, int, Waiter[T]]] = []
        self._count = itertools.count()
        # The current round of each priority, and the last round in which each account has a request.
        self._round = dict.fromkeys(Priority, 0)
        self._last: dict[tuple[Priority, str], int] = {}

    def __iter__(self) -> Iterator[Waiter[T]]:
        """Yield all waiting requests, in no particular order."""
        return (waiter for *_, waiter in self._heap if not waiter.permit.done())

    def push(self, waiter: Waiter[T], account: str) -> None:
        key = (waiter.priority, account)
        round_ = max(self._round[waiter.priority], self._last.get(key, -1) + 1)
        if len(self._last) >= MAX_ACCOUNTS:
            self._last = {k: n for k, n in self._last.items() if n >= self._round[k[0]]}
        self._last[key] = round_
        heapq.heappush(self._heap, (waiter.priority, round_, next(self._count), waiter))

    def head(self) -> Waiter[T] | None:
        """Return the next request, and drop those that gave up."""
        while self._heap and self._heap[0][-1].permit.done():
            heapq.heappop(self._heap)
        return self._heap[0][-1] if self._heap else None

    def pop(self) -> None:
        priority, round_, _, _ = heapq.heappop(self._heap)
        self._round[priority] = round_


class WriteQuota:
    """Limits the tokens that one account may use with priority WRITE to half of all tokens.

    Each account has a token bucket. Requests above it get priority READ, so that one account's flood of
    purchases does not block the reads of all others.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used: dict[str, tuple[float, float]] = {}

    def priority(self, requested: Priority, account: str, cost: int, limit: int) -> Priority:
        """Return the priority of a request; `limit` is in tokens per second."""
        if requested is not Priority.WRITE or not account:
            return requested
        now, share = self._clock.now(), limit / 2
        if len(self._used) >= MAX_ACCOUNTS:
            self._used = {a: u for a, u in self._used.items() if u[0] > (now - u[1]) * share}
        used, at = self._used.get(account, (0.0, now))
        used, cost = max(0.0, used - (now - at) * share), min(cost, limit)
        if used > 0 and used + cost > limit:
            return Priority.READ
        self._used[account] = (used + cost, now)
        return requested


def too_late(retry_after: float | None) -> Failure:
    """Return the failure for a request without a permit in time; `retry_after` is in seconds, if known."""
    return Failure(
        Kind.EXHAUSTED,
        "PROVIDER_RATE_LIMITED",
        "The provider's rate limit does not allow this call before its deadline; try again later.",
        retry_after=retry_after,
    )
