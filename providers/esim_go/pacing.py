"""The provider's rate limit, kept by each process: fixed windows, learned costs, priorities, holds."""

import asyncio
import math
from asyncio import TimerHandle
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from kit.auth.caller import account
from kit.values.clock import Clock
from providers.esim_go.holds import ALL, PROBE_AFTER, Hold, HoldReport, PathHolds
from providers.esim_go.limits import MAX_PAUSE, RateWindow, retry_after
from providers.esim_go.queue import FirstShares, Permit, Priority, Queue, Waiter, too_late

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
WRITES = ("POST ", "PUT ", "PATCH ", "DELETE ")


class Budget(Protocol):
    """Tokens that this process shares with others."""

    async def take(self, cost: int, limit: int, priority: Priority, deadline: float) -> None:
        """Wait until so many tokens are free and take them; raise EXHAUSTED past the deadline."""


class Pacing:
    """Keeps one process within the provider's limit, which all processes of an address share.

    What the newest answer says remains in the window, less what is on its way, may be spent. With a
    `shared` budget each request takes its tokens from that as well. Requests of one priority take
    them one after the other, and a request never waits for one of a lower priority to take its own.

    A pause that the provider asks for is believed for `longest_hold` seconds at most.
    """

    def __init__(
        self,
        clock: Clock,
        on_tokens: Callable[[int], None],
        shared: Budget | None = None,
        *,
        report: HoldReport | None = None,
        longest_hold: float = MAX_PAUSE,
    ) -> None:
        self._clock = clock
        self._on_tokens = on_tokens
        self._shared = shared
        # Granted by this process and waiting for tokens of the shared budget.
        self._taking: dict[Priority, Permit] = {}
        self._limit = DEFAULT_LIMIT
        self._remaining = DEFAULT_LIMIT
        self._resets_at = 0.0
        self._confirmed = False
        # Tokens that may be on their way at once: halved by each refusal, as others at the same
        # address are sending too, and full again some ten windows later.
        self._burst = math.inf
        self._costs: dict[str, int] = {}
        self._sent: set[Permit] = set()
        self._queue = Queue[Permit]()
        self._shares = FirstShares(clock)
        self._longest_hold = longest_hold
        self._report = report
        self._hold = Hold()
        self._paths = PathHolds(clock, longest_hold)
        self._timer: TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return sum(1 for _ in self._queue)

    def held(self, endpoint: str, path: str) -> float:
        """Seconds for which a request is not sent, as the provider asked for a pause.

        Infinity while another request probes whether the pause is over.
        """
        now = self._clock.now()
        return max(self._hold.pause(now), self._paths.pause((endpoint, path)))

    @property
    def limit(self) -> int:
        """Tokens of a window, as the provider last told."""
        return self._limit

    @asynccontextmanager
    async def turn(
        self, endpoint: str, path: str, priority: Priority, deadline: float
    ) -> AsyncIterator[Permit]:
        """Waits for a turn until `deadline` (by the clock's `now`), and settles it afterwards.

        Raises Failure EXHAUSTED when no turn comes in time, at once if that is already sure.
        """
        self._refuse_late(endpoint, path, deadline)
        cost = self._costs.get(endpoint, UNKNOWN_COST)
        priority = self._shares.priority(priority, account(), cost, self._limit)
        waiter = Waiter[Permit](endpoint, priority, deadline, asyncio.Future())
        try:
            turn = await self._wait(waiter, (endpoint, path))
            if self._shared is not None:
                await self._take(self._shared, turn, deadline)
            try:
                yield turn
            finally:
                self._settle(turn, path)
        finally:
            self._paths.left((endpoint, path), waiter)
            self._hold.left(waiter)
            self._advance()

    def _refuse_late(self, endpoint: str, path: str, deadline: float) -> None:
        held, now = self.held(endpoint, path), self._clock.now()
        if now + held >= deadline and 0 < held < math.inf:
            raise too_late(held)

    async def _take(self, shared: Budget, turn: Permit, deadline: float) -> None:
        try:
            await shared.take(turn.cost, self._limit, turn.priority, deadline)
            turn.since = self._clock.now()
            self._sent.add(turn)
        finally:
            del self._taking[turn.priority]
            self._advance()

    async def _wait(self, waiter: Waiter[Permit], place: tuple[str, str]) -> Permit:
        timers: list[TimerHandle] = []

        def wait(seconds: float, then: Callable[[], None]) -> None:
            timers.append(self._clock.call_later(seconds, then))

        def expire() -> None:
            if not waiter.turn.done():
                waiter.turn.set_exception(too_late(None))

        def enter() -> None:
            if waiter.turn.done():
                return
            pause = self._paths.enter(place, waiter, enter)
            if pause == 0:
                self._queue.push(waiter, account_name)
                self._advance()
            elif pause < math.inf:  # one path's pause must not stop the others
                wait(pause, enter)

        account_name = account()
        wait(waiter.deadline - self._clock.now(), expire)
        enter()
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled() and not waiter.turn.exception():
                self._give_back(waiter.turn.result())  # granted, but never sent
            raise
        finally:
            for timer in timers:
                timer.cancel()

    def _advance(self) -> None:
        """Grants turns from the head of the line, or sets the timer for when it can go on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (waiter := self._queue.head()) is not None:
            if any(taking <= waiter.priority for taking in self._taking):
                return  # the one that takes tokens goes on here when it has them
            cost = self._costs.get(waiter.endpoint, UNKNOWN_COST)
            pause = self._pause(cost)
            if pause == math.inf:
                return  # until the probe is answered
            if pause > 0:
                if pause > PROBE_AFTER and self._hold.pause(self._clock.now()) == 0:
                    self._hold_all(pause)  # the provider's window lasts so long
                self._timer = self._clock.call_later(pause, self._advance)
                return
            turn = Permit(
                waiter.endpoint,
                cost,
                self._clock.now(),
                priority=waiter.priority,
                probes=self._hold.long,
            )
            self._hold.granted(waiter)
            if self._shared is None:
                self._sent.add(turn)
            else:
                self._taking[turn.priority] = turn
            waiter.turn.set_result(turn)
            self._queue.pop()

    def _give_back(self, turn: Permit) -> None:
        self._sent.discard(turn)
        if self._taking.get(turn.priority) is turn:
            del self._taking[turn.priority]

    def _pause(self, cost: int) -> float:
        """Seconds until a request of that cost may go: 0 for now, infinity until a probe is answered."""
        now = self._clock.now()
        held = self._hold.pause(now)
        if held > 0:
            return held
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

    def _settle(self, turn: Permit, path: str) -> None:
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
            resets_in = min(window.resets_in, self._longest_hold)
            self._confirm(window.remaining, now, now + resets_in + MARGIN)
        else:
            self._remaining -= cost
            self._confirmed = self._confirmed or turn.status is not None
        if turn.status == 429:
            self._burst = max(1, min(self._burst, self._limit) // 2)
            self._hold_all(self._until_free(headers, now))
        elif turn.status is not None:
            self._answered(turn, path)
        self._on_tokens(max(0, self._remaining))
        self._advance()

    def _confirm(self, remaining: int, now: float, resets_at: float) -> None:
        if resets_at <= now or (self._confirmed and resets_at < self._resets_at - SAME_WINDOW):
            return  # it tells of an earlier window
        if self._confirmed and resets_at <= self._resets_at + SAME_WINDOW:
            remaining = min(remaining, self._remaining)  # answers overtake one another
        self._remaining, self._resets_at, self._confirmed = remaining, resets_at, True

    def _until_free(self, headers: Mapping[str, str], now: float) -> float:
        pause = retry_after(headers, self._clock.wall(), self._longest_hold)
        if pause is None:
            pause = max(self._resets_at - now, DEFAULT_WINDOW)
        return min(pause, self._longest_hold)

    def _hold_all(self, pause: float) -> None:
        """Send nothing for a while; requests that would then be too late fail now."""
        now = self._clock.now()
        begins = now + pause > self._hold.until
        self._hold.extend(now, pause)
        if self._report is not None and self._hold.long and begins and pause > PROBE_AFTER:
            self._report.began(ALL, pause)
        for waiter in self._queue:
            if waiter.deadline <= self._hold.until:
                waiter.turn.set_exception(too_late(self._hold.until - now))

    def _answered(self, turn: Permit, path: str) -> None:
        """Any answer but 429 shows that calls go through; 503 asks to leave this one thing alone."""
        if turn.probes and self._hold.long:
            self._hold = Hold()
            if self._report is not None:
                self._report.ended(ALL)
        place = (turn.endpoint, path)
        pause = None
        if turn.status == 503:
            pause = retry_after(turn.headers or {}, self._clock.wall(), self._longest_hold)
        # All purchases have one path: to hold that is to hold all of them.
        common = turn.endpoint.startswith(WRITES) and "{" not in turn.endpoint
        shown = self._report if common else None
        if pause is not None:
            self._paths.extend(place, pause)
            if shown is not None and pause > PROBE_AFTER:
                shown.began(turn.endpoint, pause)
        elif self._paths.answered(place) and shown is not None:
            shown.ended(turn.endpoint)
