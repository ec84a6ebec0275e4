"""The queue before the provider's rate limit: fixed windows, learned costs, priorities."""

import asyncio
import heapq
import itertools
import math
from asyncio import TimerHandle
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from kit.clock import Clock
from kit.errors import Failure, Kind
from kit.provider_limits import RateWindow, retry_after

# The provider's guide: 10 tokens per second unless agreed otherwise. Holds until headers say more.
DEFAULT_LIMIT = 10
DEFAULT_WINDOW = 1.0
# What an endpoint is taken to cost before its first answer tells: the guide's own example.
UNKNOWN_COST = 5
# Resets of one window, computed from several answers, differ by no more than the clocks' noise.
SAME_WINDOW = 0.25
# Timers and clocks are some milliseconds off; a request must not arrive before its window does.
MARGIN = 0.05
# Templates are few; values that look like fixed words must not let the table grow for ever.
MAX_ENDPOINTS = 500


class Priority(IntEnum):
    """Which request goes first when tokens are short; within one priority, first come first served."""

    WRITE = 0  # purchases and cancellations, with every read that they wait for
    READ = 1  # what customers wait for otherwise
    SYNC = 2  # the catalogue's sync and whatever else runs in the background


@dataclass(eq=False, slots=True)
class Turn:
    """One request that may be sent now; tell it what the provider answered."""

    endpoint: str
    cost: int
    since: float
    status: int | None = None
    headers: Mapping[str, str] | None = None

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers


@dataclass(eq=False, slots=True)
class Waiter:
    endpoint: str
    turn: asyncio.Future[Turn]


class Budget(Protocol):
    """Tokens that this process shares with others."""

    async def take(self, cost: int, limit: int, priority: Priority, deadline: float) -> None:
        """Wait until so many tokens are free and take them; raise EXHAUSTED past the deadline."""


class Pacing:
    """Keeps one process within the provider's limit, which all processes of an address share.

    What the newest answer says remains in the window, less what is on its way, may be spent. With a
    `shared` budget each request takes its tokens from that as well. Requests of one priority take
    them one after the other, and a request never waits for one of a lower priority to take its own.
    """

    def __init__(
        self, clock: Clock, on_tokens: Callable[[int], None], shared: Budget | None = None
    ) -> None:
        self._clock = clock
        self._on_tokens = on_tokens
        self._shared = shared
        # Granted by this process and waiting for tokens of the shared budget.
        self._taking: dict[Priority, Turn] = {}
        self._limit = DEFAULT_LIMIT
        self._remaining = DEFAULT_LIMIT
        self._resets_at = 0.0
        self._confirmed = False
        # Tokens that may be on their way at once: halved by each refusal, as others at the same
        # address are sending too, and full again some ten windows later.
        self._burst = math.inf
        self._costs: dict[str, int] = {}
        self._sent: set[Turn] = set()
        self._line: list[tuple[Priority, int, Waiter]] = []
        self._count = itertools.count()
        self._held_until = 0.0
        self._paths_held_until: dict[tuple[str, str], float] = {}
        self._timer: TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return sum(not waiter.turn.done() for _, _, waiter in self._line)

    @property
    def limit(self) -> int:
        """Tokens of a window, as the provider last told."""
        return self._limit

    @asynccontextmanager
    async def turn(
        self, endpoint: str, path: str, priority: Priority, deadline: float
    ) -> AsyncIterator[Turn]:
        """Waits for a turn until `deadline` (by the clock's `now`), and settles it afterwards.

        Raises Failure EXHAUSTED when no turn comes in time, at once if that is already sure.
        """
        turn = await self._wait(endpoint, path, priority, deadline)
        if self._shared is not None:
            await self._take(self._shared, turn, priority, deadline)
        try:
            yield turn
        finally:
            self._settle(turn, path)

    async def _take(self, shared: Budget, turn: Turn, priority: Priority, deadline: float) -> None:
        try:
            await shared.take(turn.cost, self._limit, priority, deadline)
            turn.since = self._clock.now()
            self._sent.add(turn)
        finally:
            del self._taking[priority]
            self._advance()

    async def _wait(self, endpoint: str, path: str, priority: Priority, deadline: float) -> Turn:
        now = self._clock.now()
        held_until = max(self._held_until, self._paths_held_until.get((endpoint, path), 0.0))
        if held_until >= deadline:
            raise too_late(held_until - now)
        waiter = Waiter(endpoint, asyncio.get_running_loop().create_future())

        def expire() -> None:
            if not waiter.turn.done():
                waiter.turn.set_exception(too_late(None))

        def enter() -> None:
            heapq.heappush(self._line, (priority, next(self._count), waiter))
            self._advance()

        timers = [self._clock.call_later(deadline - now, expire)]
        held = self._paths_held_until.get((endpoint, path), 0.0) - now
        if held > 0:  # one path's pause must not stop the line
            timers.append(self._clock.call_later(held, enter))
        else:
            enter()
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled() and not waiter.turn.exception():
                self._give_back(waiter.turn.result(), priority)  # granted, but never sent
            raise
        finally:
            for timer in timers:
                timer.cancel()
            self._advance()

    def _advance(self) -> None:
        """Grants turns from the head of the line, or sets the timer for when it can go on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._line:
            priority, _, waiter = self._line[0]
            if not waiter.turn.done():
                if any(taking <= priority for taking in self._taking):
                    return  # the one that takes tokens goes on here when it has them
                cost = self._costs.get(waiter.endpoint, UNKNOWN_COST)
                pause = self._pause(cost)
                if pause > 0:
                    self._timer = self._clock.call_later(pause, self._advance)
                    return
                turn = Turn(waiter.endpoint, cost, self._clock.now())
                if self._shared is None:
                    self._sent.add(turn)
                else:
                    self._taking[priority] = turn
                waiter.turn.set_result(turn)
            heapq.heappop(self._line)

    def _give_back(self, turn: Turn, priority: Priority) -> None:
        self._sent.discard(turn)
        if self._taking.get(priority) is turn:
            del self._taking[priority]

    def _pause(self, cost: int) -> float:
        """Seconds until a request of that cost may go, 0 for now."""
        now = self._clock.now()
        if now < self._held_until:
            return self._held_until - now
        if now >= self._resets_at:
            self._remaining, self._confirmed = self._limit, False
            self._resets_at = now + DEFAULT_WINDOW
            self._burst += max(1, self._limit // 10)
        # Until the first answer of a window, others behind the same address may have drawn on it:
        # half of it is enough to find out.
        window = self._limit if self._confirmed else max(1, self._limit // 2)
        most = min(window, self._burst)
        # A request that has been on its way for a whole window was counted in an earlier one.
        on_the_way = sum(t.cost for t in self._sent if now - t.since < DEFAULT_WINDOW)
        if min(most, self._remaining) - on_the_way >= min(cost, most):
            return 0
        return self._resets_at - now

    def _settle(self, turn: Turn, path: str) -> None:
        self._sent.discard(turn)
        now = self._clock.now()
        headers = turn.headers or {}
        window = RateWindow.read(headers, self._clock.wall())
        cost = turn.cost
        if turn.status is not None:
            cost = 1 if window.cost is None else window.cost
            if turn.endpoint in self._costs or len(self._costs) < MAX_ENDPOINTS:
                self._costs[turn.endpoint] = cost
        if window.limit is not None:
            self._limit = window.limit
        if window.remaining is not None and window.resets_in is not None:
            self._confirm(window.remaining, now, now + window.resets_in + MARGIN)
        else:
            self._remaining -= cost
            self._confirmed = self._confirmed or turn.status is not None
        if turn.status == 429:
            self._burst = max(1, min(self._burst, self._limit) // 2)
            self._held_until = max(self._held_until, now + self._until_free(headers, now))
        elif turn.status == 503:
            pause = retry_after(headers, self._clock.wall())
            if pause is not None:
                self._hold_path((turn.endpoint, path), now, pause)
        self._on_tokens(max(0, self._remaining))
        self._advance()

    def _confirm(self, remaining: int, now: float, resets_at: float) -> None:
        if resets_at <= now or (self._confirmed and resets_at < self._resets_at - SAME_WINDOW):
            return  # it tells of an earlier window
        if self._confirmed and resets_at <= self._resets_at + SAME_WINDOW:
            remaining = min(remaining, self._remaining)  # answers overtake one another
        self._remaining, self._resets_at, self._confirmed = remaining, resets_at, True

    def _until_free(self, headers: Mapping[str, str], now: float) -> float:
        pause = retry_after(headers, self._clock.wall())
        return pause if pause is not None else max(self._resets_at - now, DEFAULT_WINDOW)

    def _hold_path(self, place: tuple[str, str], now: float, pause: float) -> None:
        """503 means that this one thing is still processed: others need not wait for it."""
        self._paths_held_until = {p: t for p, t in self._paths_held_until.items() if t > now}
        self._paths_held_until[place] = now + pause


def too_late(retry_after: float | None) -> Failure:
    """No turn in the time that was given; `retry_after` in seconds, where it is known."""
    return Failure(
        Kind.EXHAUSTED,
        "PROVIDER_RATE_LIMITED",
        "The provider's rate limit leaves no room in the time that was given; try again later.",
        retry_after=retry_after,
    )
