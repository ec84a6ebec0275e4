"""The queue of requests for the provider: by priority, and within one in turns between accounts."""

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
# Accounts that are remembered; those that were quiet for a moment are forgotten first.
MAX_ACCOUNTS = 1_000


class Priority(IntEnum):
    """Which request goes first when tokens are short."""

    WRITE = 0  # purchases, suspensions and cancellations, with every read that they wait for
    READ = 1  # what customers wait for otherwise
    SYNC = 2  # the catalogue's sync and whatever else runs in the background


@dataclass(eq=False, slots=True)
class Permit:
    """One request that may be sent now; tell it what the provider answered."""

    endpoint: str
    cost: int
    since: float
    status: int | None = None
    headers: Mapping[str, str] | None = None
    priority: Priority = Priority.READ
    probes: bool = False  # the one call after a hold, which shows whether calls go through again

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers


@dataclass(eq=False, slots=True)
class Waiter(Generic[T]):
    """A request that waits for its turn until `deadline`, by the clock's `now`."""

    endpoint: str
    priority: Priority
    deadline: float
    turn: asyncio.Future[T]


class Queue(Generic[T]):
    """Waiting requests: by priority, then one of each account in turn, then first come first served."""

    def __init__(self) -> None:
        self._heap: list[tuple[Priority, int, int, Waiter[T]]] = []
        self._count = itertools.count()
        # The round that each priority is at, and the last one in which each account has a request.
        self._round = dict.fromkeys(Priority, 0)
        self._last: dict[tuple[Priority, str], int] = {}

    def __iter__(self) -> Iterator[Waiter[T]]:
        """All that still wait, in no order."""
        return (waiter for *_, waiter in self._heap if not waiter.turn.done())

    def push(self, waiter: Waiter[T], account: str) -> None:
        key = (waiter.priority, account)
        turn = max(self._round[waiter.priority], self._last.get(key, -1) + 1)
        if len(self._last) >= MAX_ACCOUNTS:
            self._last = {k: n for k, n in self._last.items() if n >= self._round[k[0]]}
        self._last[key] = turn
        heapq.heappush(self._heap, (waiter.priority, turn, next(self._count), waiter))

    def head(self) -> Waiter[T] | None:
        """The one whose turn it is; those that gave up are dropped."""
        while self._heap and self._heap[0][-1].turn.done():
            heapq.heappop(self._heap)
        return self._heap[0][-1] if self._heap else None

    def pop(self) -> None:
        priority, turn, _, _ = heapq.heappop(self._heap)
        self._round[priority] = turn


class FirstShares:
    """Bounds what one account's requests may take with the first priority: half of all tokens.

    A token bucket for each account. What exceeds it waits with the reads, so that an account that
    floods purchases can't keep the reads of all others from ever being sent.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used: dict[str, tuple[float, float]] = {}

    def priority(self, wanted: Priority, account: str, cost: int, limit: int) -> Priority:
        """The priority that the request gets; `limit` is of tokens in a second."""
        if wanted is not Priority.WRITE or not account:
            return wanted
        now, share = self._clock.now(), limit / 2
        if len(self._used) >= MAX_ACCOUNTS:
            self._used = {a: u for a, u in self._used.items() if u[0] > (now - u[1]) * share}
        used, at = self._used.get(account, (0.0, now))
        used = max(0.0, used - (now - at) * share)
        if used > 0 and used + cost > limit:
            return Priority.READ
        self._used[account] = (used + cost, now)
        return wanted


def too_late(retry_after: float | None) -> Failure:
    """No turn in the time that was given; `retry_after` in seconds, where it is known."""
    return Failure(
        Kind.EXHAUSTED,
        "PROVIDER_RATE_LIMITED",
        "The provider's rate limit does not allow this call before its deadline; try again later.",
        retry_after=retry_after,
    )
