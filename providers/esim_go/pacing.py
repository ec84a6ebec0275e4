"""Rate limiting of one process by the provider's headers: windows, costs, priorities and holds."""

import asyncio
import math
from asyncio import TimerHandle
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from kit.auth.caller import account
from kit.values.clock import Clock
from providers.esim_go.holds import ALL, PROBE_AFTER, Hold, HoldReport, PathHolds
from providers.esim_go.limits import MAX_PAUSE, RateWindow, retry_after
from providers.esim_go.queue import Permit, Priority, Queue, Waiter, WriteQuota, too_late
from providers.esim_go.shared_tokens import SharedTokens

# The provider's documented default, until headers report other values: 10 tokens per second.
DEFAULT_LIMIT = 10
DEFAULT_WINDOW = 1.0
# The assumed cost of an endpoint before its first response: the example of the provider's guide.
UNKNOWN_COST = 5
# Maximum difference between the resets that responses report for the same window, in seconds.
SAME_WINDOW = 0.25
# Seconds added to a reset, so that no request arrives before its window starts.
MARGIN = 0.05
# Seconds after a response for which its limit is relied on; the provider may have raised it since.
LIMIT_KNOWN_FOR = 60.0
# Tokens that requests of a priority leave to others in each window.
LEFT = {Priority.BULK: 2}
# Limits the table of costs in case values in paths look like fixed words.
MAX_ENDPOINTS = 500
WRITES = ("POST ", "PUT ", "PATCH ", "DELETE ")


class Pacing:
    """Keeps one process within the provider's limit, which applies to all processes of an IP address.

    A request may use the tokens that the latest response reports as remaining, minus those of requests
    in flight. With a `shared` budget, each request also takes its tokens from there: one request of each
    priority at a time, without waiting for requests of lower priority.

    A pause that the provider requests lasts for at most `longest_hold` seconds.
    """

    def __init__(
        self,
        clock: Clock,
        on_tokens: Callable[[int], None],
        shared: SharedTokens | None = None,
        *,
        report: HoldReport | None = None,
        longest_hold: float = MAX_PAUSE,
    ) -> None:
        self._clock = clock
        self._on_tokens = on_tokens
        self._shared = shared
        # Permits of this process that still wait for tokens of the shared budget.
        self._taking: dict[Priority, Permit] = {}
        self._limit = DEFAULT_LIMIT
        self._answered_at = -math.inf
        self._remaining = DEFAULT_LIMIT
        self._resets_at = 0.0
        self._confirmed = False
        # Maximum tokens in flight: halved by each refusal, because other processes at the same IP address
        # use tokens too, and back at the limit about ten windows later.
        self._burst = math.inf
        self._costs: dict[str, int] = {}
        self._sent: set[Permit] = set()
        self._queue = Queue[Permit]()
        self._shares = WriteQuota(clock)
        self._longest_hold = longest_hold
        self._report = report
        self._hold = Hold()
        self._paths = PathHolds(clock, longest_hold)
        self._timer: TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """The number of requests that wait for a permit."""
        return sum(1 for _ in self._queue)

    def held(self, endpoint: str, path: str) -> float:
        """Return the seconds for which a request is held back; infinity while another request probes."""
        now = self._clock.now()
        return max(self._hold.pause(now), self._paths.pause((endpoint, path)))

    @property
    def limit(self) -> int:
        """Tokens per window, as last reported by the provider."""
        return self._limit

    @asynccontextmanager
    async def permit(
        self, endpoint: str, path: str, priority: Priority, deadline: float
    ) -> AsyncIterator[Permit]:
        """Wait for a permit until `deadline` (of the clock's `now`), and evaluate the response afterwards.

        Raises Failure EXHAUSTED if no permit is available in time, immediately if that is certain.
        """
        self._refuse_late(endpoint, path, deadline)
        cost = self._costs.get(endpoint, UNKNOWN_COST)
        priority = self._shares.priority(priority, account(), cost, self._limit)
        waiter = Waiter[Permit](endpoint, priority, deadline, asyncio.Future())
        try:
            permit = await self._wait(waiter, (endpoint, path))
            if self._shared is not None:
                await self._take(self._shared, permit, deadline)
            try:
                yield permit
            finally:
                self._settle(permit, path)
        finally:
            self._paths.done((endpoint, path), waiter)
            self._hold.done(waiter)
            self._advance()

    def _refuse_late(self, endpoint: str, path: str, deadline: float) -> None:
        held, now = self.held(endpoint, path), self._clock.now()
        if now + held >= deadline and 0 < held < math.inf:
            raise too_late(held)

    async def _take(self, shared: SharedTokens, permit: Permit, deadline: float) -> None:
        doubtful = self._clock.now() - self._answered_at > LIMIT_KNOWN_FOR
        try:
            await shared.take(
                permit.cost, self._limit, permit.priority, deadline, doubtful=doubtful
            )
            permit.since = self._clock.now()
            self._sent.add(permit)
        finally:
            del self._taking[permit.priority]
            self._advance()

    async def _wait(self, waiter: Waiter[Permit], key: tuple[str, str]) -> Permit:
        timers: list[TimerHandle] = []

        def wait(seconds: float, then: Callable[[], None]) -> None:
            timers.append(self._clock.call_later(seconds, then))

        def expire() -> None:
            if not waiter.permit.done():
                waiter.permit.set_exception(too_late(None))

        def enter() -> None:
            if waiter.permit.done():
                return
            pause = self._paths.enter(key, waiter, enter)
            if pause == 0:
                self._queue.push(waiter, account_name)
                self._advance()
            elif pause < math.inf:
                wait(pause, enter)

        account_name = account()
        wait(waiter.deadline - self._clock.now(), expire)
        enter()
        try:
            return await waiter.permit
        except asyncio.CancelledError:
            if (
                waiter.permit.done()
                and not waiter.permit.cancelled()
                and not waiter.permit.exception()
            ):
                self._give_back(waiter.permit.result())  # granted, but never sent
            raise
        finally:
            for timer in timers:
                timer.cancel()

    def _advance(self) -> None:
        """Grant permits from the head of the queue, or set the timer for the next attempt."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (waiter := self._queue.head()) is not None:
            if any(taking <= waiter.priority for taking in self._taking):
                return  # continues when that request has its tokens
            cost = self._costs.get(waiter.endpoint, UNKNOWN_COST)
            pause = self._pause(cost, LEFT.get(waiter.priority, 0))
            if pause == math.inf:
                return  # until the probe gets a response
            if pause > 0:
                if pause > PROBE_AFTER and self._hold.pause(self._clock.now()) == 0:
                    self._hold_all(pause)  # until the end of the provider's window
                self._timer = self._clock.call_later(pause, self._advance)
                return
            permit = Permit(
                waiter.endpoint,
                cost,
                self._clock.now(),
                priority=waiter.priority,
                probes=self._hold.long,
            )
            self._hold.granted(waiter)
            if self._shared is None:
                self._sent.add(permit)
            else:
                self._taking[permit.priority] = permit
            waiter.permit.set_result(permit)
            self._queue.pop()

    def _give_back(self, permit: Permit) -> None:
        self._sent.discard(permit)
        if self._taking.get(permit.priority) is permit:
            del self._taking[permit.priority]

    def _pause(self, cost: int, left: int) -> float:
        """Return the seconds until a request of that cost may be sent; infinity during a probe.

        It must leave `left` tokens of the window to others.
        """
        now = self._clock.now()
        held = self._hold.pause(now)
        if held > 0:
            return held
        if now >= self._resets_at:
            self._remaining, self._confirmed = self._limit, False
            self._resets_at = now + DEFAULT_WINDOW
            self._burst += max(1, self._limit // 10)
        # Use only half of a window until its first response, because other processes may have used the rest.
        window = self._limit if self._confirmed else max(1, self._limit // 2)
        available = min(window, self._burst)
        # A request in flight for longer than a window was counted in an earlier one.
        in_flight = sum(t.cost for t in self._sent if now - t.since < DEFAULT_WINDOW)
        if min(available, self._remaining) - in_flight >= min(cost + left, available):
            return 0
        return self._resets_at - now

    def _settle(self, permit: Permit, path: str) -> None:
        self._sent.discard(permit)
        now = self._clock.now()
        headers = permit.headers or {}
        window = RateWindow.read(headers, self._clock.wall())
        cost = permit.cost
        if permit.status is not None:
            self._answered_at = now
            cost = 1 if window.cost is None else window.cost
            if permit.endpoint in self._costs or len(self._costs) < MAX_ENDPOINTS:
                self._costs[permit.endpoint] = cost
        if window.limit is not None:
            self._limit = window.limit
        if window.remaining is not None and window.resets_in is not None:
            resets_in = min(window.resets_in, self._longest_hold)
            self._confirm(window.remaining, now, now + resets_in + MARGIN)
        else:
            self._remaining -= cost
            self._confirmed = self._confirmed or permit.status is not None
        if permit.status == 429:
            self._burst = max(1, min(self._burst, self._limit) // 2)
            self._hold_all(self._until_free(headers, now))
        elif permit.status is not None:
            self._answered(permit, path)
        self._on_tokens(max(0, self._remaining))
        self._advance()

    def _confirm(self, remaining: int, now: float, resets_at: float) -> None:
        if resets_at <= now or (self._confirmed and resets_at < self._resets_at - SAME_WINDOW):
            return  # the response is about an earlier window
        if self._confirmed and resets_at <= self._resets_at + SAME_WINDOW:
            remaining = min(remaining, self._remaining)  # responses may be out of order
        self._remaining, self._resets_at, self._confirmed = remaining, resets_at, True

    def _until_free(self, headers: Mapping[str, str], now: float) -> float:
        pause = retry_after(headers, self._clock.wall(), self._longest_hold)
        if pause is None:
            pause = max(self._resets_at - now, DEFAULT_WINDOW)
        return min(pause, self._longest_hold)

    def _hold_all(self, pause: float) -> None:
        """Hold all requests; those that would miss their deadline fail now."""
        now = self._clock.now()
        begins = now + pause > self._hold.until
        self._hold.extend(now, pause)
        if self._report is not None and self._hold.long and begins and pause > PROBE_AFTER:
            self._report.began(ALL, pause)
        for waiter in self._queue:
            if waiter.deadline <= self._hold.until:
                waiter.permit.set_exception(too_late(self._hold.until - now))

    def _answered(self, permit: Permit, path: str) -> None:
        """End holds after a response other than 429. After 503, hold requests for this resource."""
        if permit.probes and self._hold.long:
            self._hold = Hold()
            if self._report is not None:
                self._report.ended(ALL)
        key = (permit.endpoint, path)
        pause = None
        if permit.status == 503:
            pause = retry_after(permit.headers or {}, self._clock.wall(), self._longest_hold)
        # A write path without values holds all of its calls, such as all purchases, so it is reported.
        common = permit.endpoint.startswith(WRITES) and "{" not in permit.endpoint
        report = self._report if common else None
        if pause is not None:
            self._paths.extend(key, pause)
            if report is not None and pause > PROBE_AFTER:
                report.began(permit.endpoint, pause)
        elif self._paths.answered(key) and report is not None:
            report.ended(permit.endpoint)
