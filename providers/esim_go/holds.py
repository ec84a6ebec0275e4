"""Pauses that the provider asks for: believed for a bounded time, then one call at a time probes."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kit.logs.episodes import Episodes
from kit.values.clock import Clock
from providers.esim_go.metrics import Metrics

log = logging.getLogger(__name__)

# Seconds. The provider's windows last a second: a longer pause is no ordinary wait for tokens, and
# what comes after it is not known.
PROBE_AFTER = 2.0
# Stands for every endpoint.
ALL = "*"


@dataclass(eq=False, slots=True)
class Hold:
    """No call is sent until a moment; after a long hold one call at a time, until one is answered."""

    until: float = 0.0
    long: bool = False
    probe: object | None = None
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def extend(self, now: float, pause: float) -> None:
        self.until = max(self.until, now + pause)
        self.long = self.long or pause > PROBE_AFTER

    def pause(self, now: float) -> float:
        """Seconds until the next call may go: 0 for now, infinity until the probe has an answer."""
        if now < self.until:
            return self.until - now
        return math.inf if self.long and self.probe is not None else 0.0

    def granted(self, caller: object) -> None:
        if self.long:
            self.probe = caller

    def left(self, caller: object) -> bool:
        """The caller is done, however it ended; True if others waited for that."""
        if self.probe is not caller:
            return False
        self.probe = None
        return True


class PathHolds:
    """503 means that one thing is still processed: calls for the same thing wait, and no others."""

    def __init__(self, clock: Clock, most: float) -> None:
        self._clock = clock
        self._most = most
        self._holds: dict[tuple[str, str], Hold] = {}

    def pause(self, place: tuple[str, str]) -> float:
        hold = self._holds.get(place)
        return 0.0 if hold is None else hold.pause(self._clock.now())

    def enter(self, place: tuple[str, str], caller: object, again: Callable[[], None]) -> float:
        """0 if the caller may go on; else the seconds to wait, infinity until `again` is called."""
        hold = self._holds.get(place)
        if hold is None:
            return 0.0
        pause = hold.pause(self._clock.now())
        if pause == 0:
            hold.granted(caller)
        elif pause == math.inf:
            hold.waiting.append(again)
        return pause

    def extend(self, place: tuple[str, str], pause: float) -> None:
        now = self._clock.now()
        # A thing that nobody asks for any more is forgotten.
        self._holds = {
            p: h for p, h in self._holds.items() if h.probe or h.until + self._most > now
        }
        self._holds.setdefault(place, Hold()).extend(now, pause)

    def answered(self, place: tuple[str, str]) -> bool:
        """Calls for this thing are answered again; True if they were held."""
        hold = self._holds.pop(place, None)
        if hold is not None:
            _wake(hold)
        return hold is not None

    def left(self, place: tuple[str, str], caller: object) -> None:
        hold = self._holds.get(place)
        if hold is not None and hold.left(caller):
            _wake(hold)


def _wake(hold: Hold) -> None:
    waiting, hold.waiting = hold.waiting, []
    for again in waiting:
        again()


class HoldReport:
    """Shows holds to operators: log lines when one begins and ends, a gauge, and until when."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._episodes = Episodes(log, clock=clock)
        self._until: dict[str, float] = {}
        self._callbacks: list[Callable[[], None]] = []

    def on_release(self, callback: Callable[[], None]) -> None:
        """Have a function called whenever calls go through again."""
        self._callbacks.append(callback)

    @property
    def until(self) -> datetime | None:
        """The moment until which some calls are held; None while all may be sent."""
        now = self._clock.now()
        left = max((until - now for until in self._until.values()), default=0.0)
        return self._clock.wall() + timedelta(seconds=left) if left > 0 else None

    def refresh(self) -> None:
        """Write the gauge, whose values change with time."""
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
