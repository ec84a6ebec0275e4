"""Pauses that the provider requests. After a bounded time, one call at a time probes for their end."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kit.logs.episodes import Episodes
from kit.values.clock import Clock
from providers.esim_go.metrics import Metrics

log = logging.getLogger(__name__)

# Seconds. The provider's windows last one second; a longer pause is an outage, which ends with a probe.
PROBE_AFTER = 2.0
# Stands for every endpoint.
ALL = "*"


@dataclass(eq=False, slots=True)
class Hold:
    """No call is sent before `until`. After a long hold, one call at a time, until one gets a response."""

    until: float = 0.0
    long: bool = False
    probe: object | None = None
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def extend(self, now: float, pause: float) -> None:
        self.until = max(self.until, now + pause)
        self.long = self.long or pause > PROBE_AFTER

    def pause(self, now: float) -> float:
        """Return the seconds until the next call: 0 for now, infinity until the probe gets a response."""
        if now < self.until:
            return self.until - now
        return math.inf if self.long and self.probe is not None else 0.0

    def granted(self, caller: object) -> None:
        if self.long:
            self.probe = caller

    def done(self, caller: object) -> bool:
        """Note that a call has ended in any way; return True if it was the probe."""
        if self.probe is not caller:
            return False
        self.probe = None
        return True


class PathHolds:
    """Holds after 503, which means that the provider still processes a resource.

    Calls for other resources don't wait.
    """

    def __init__(self, clock: Clock, longest: float) -> None:
        self._clock = clock
        self._longest = longest
        self._holds: dict[tuple[str, str], Hold] = {}

    def pause(self, key: tuple[str, str]) -> float:
        hold = self._holds.get(key)
        return 0.0 if hold is None else hold.pause(self._clock.now())

    def enter(self, key: tuple[str, str], caller: object, again: Callable[[], None]) -> float:
        """Return 0 if the call may be made, or the seconds to wait; infinity until `again` is called."""
        hold = self._holds.get(key)
        if hold is None:
            return 0.0
        pause = hold.pause(self._clock.now())
        if pause == 0:
            hold.granted(caller)
        elif pause == math.inf:
            hold.waiting.append(again)
        return pause

    def extend(self, key: tuple[str, str], pause: float) -> None:
        now = self._clock.now()
        # Drop holds of resources that are no longer requested.
        self._holds = {
            p: h for p, h in self._holds.items() if h.probe or h.until + self._longest > now
        }
        self._holds.setdefault(key, Hold()).extend(now, pause)

    def answered(self, key: tuple[str, str]) -> bool:
        """End the hold of a resource; return True if there was one."""
        hold = self._holds.pop(key, None)
        if hold is not None:
            _wake(hold)
        return hold is not None

    def done(self, key: tuple[str, str], caller: object) -> None:
        hold = self._holds.get(key)
        if hold is not None and hold.done(caller):
            _wake(hold)


def _wake(hold: Hold) -> None:
    waiting, hold.waiting = hold.waiting, []
    for again in waiting:
        again()


class HoldReport:
    """Reports holds to operators through log lines and a gauge, and to other code."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._episodes = Episodes(log, clock=clock)
        self._until: dict[str, float] = {}
        self._callbacks: list[Callable[[], None]] = []

    def on_release(self, callback: Callable[[], None]) -> None:
        """Register a function to call whenever a hold ends."""
        self._callbacks.append(callback)

    @property
    def until(self) -> datetime | None:
        """When the last current hold ends; None if no calls are held."""
        now = self._clock.now()
        left = max((until - now for until in self._until.values()), default=0.0)
        return self._clock.wall() + timedelta(seconds=left) if left > 0 else None

    def refresh(self) -> None:
        """Update the gauge, whose values change over time."""
        now = self._clock.now()
        for endpoint, until in self._until.items():
            self._metrics.held(endpoint, max(0.0, until - now))

    def began(self, endpoint: str, pause: float) -> None:
        self._until[endpoint] = self._clock.now() + pause
        self._metrics.held(endpoint, pause)
        until = self._clock.wall() + timedelta(seconds=pause)
        self._episodes.record(
            _key(endpoint),
            "provider calls are held: %s until %s, as requested by the provider's responses; then"
            " calls are retried one at a time",
            "all of this process" if endpoint == ALL else endpoint,
            f"{until:%Y-%m-%dT%H:%M:%SZ}",
            lasting=True,
        )

    def ended(self, endpoint: str) -> None:
        if self._until.pop(endpoint, None) is None:
            return
        self._metrics.held(endpoint, 0.0)
        self._episodes.resolve(_key(endpoint), f"provider calls go through again: {endpoint}")
        for callback in self._callbacks:
            callback()


def _key(endpoint: str) -> str:
    return f"provider calls are held: {endpoint}"
