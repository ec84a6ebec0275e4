"""Circuit breaker for the provider: after repeated failures, calls fail immediately for a while."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from kit.errors import Failure, Kind

State = Literal["closed", "open", "half-open"]


class Circuit:
    """Opens after `threshold` consecutive failures. After `seconds`, lets one call at a time through.

    The outcome of that call closes the circuit or opens it again. `on_change` is called with every new state.
    """

    def __init__(self, threshold: int, seconds: float, on_change: Callable[[State], None]) -> None:
        self._threshold = threshold
        self._seconds = seconds
        self._on_change = on_change
        self._state: State = "closed"
        self._failures = 0
        # The eSIMs and orders about which calls failed since the last success.
        self._records: set[str] = set()
        self._opened_at = 0.0
        self._probing = False

    @property
    def state(self) -> State:
        """The current state. It becomes half-open with the first call after the pause."""
        return self._state

    def check(self) -> None:
        """Raise Failure UNAVAILABLE if no call may be made now."""
        if self._state == "open" and time.monotonic() - self._opened_at >= self._seconds:
            self._change("half-open")
        if self._state == "open" or (self._state == "half-open" and self._probing):
            raise Failure(
                Kind.UNAVAILABLE,
                "PROVIDER_CIRCUIT_OPEN",
                "The provider has failed repeatedly, so no calls are sent to it for a moment; try"
                " again later.",
                retry_after=self._seconds,
            )

    def failed_before(self, record: str) -> bool:
        """Note that a call about one eSIM or order failed; True if one has failed since the last success."""
        known = record in self._records
        self._records.add(record)
        return known

    @contextmanager
    def passage(self, judge: Callable[[Failure], bool | None]) -> Iterator[None]:
        """Let one call through and count its outcome; raises as `check` does.

        `judge` returns whether a failure means that the provider is healthy (True), broken (False), or
        neither (None). A cancelled call counts as neither.
        """
        self.check()
        probing = self._state == "half-open"
        self._probing = self._probing or probing
        try:
            yield
        except Failure as failure:
            self._count(judge(failure))
            raise
        else:
            self._count(True)
        finally:
            if probing:
                self._probing = False

    def _count(self, healthy: bool | None) -> None:
        # Ignores calls that began before the circuit opened.
        if healthy is None or self._state == "open":
            return
        self._failures = 0 if healthy else self._failures + 1
        if healthy:
            self._records.clear()
            self._change("closed")
        elif self._state == "half-open" or self._failures >= self._threshold:
            self._opened_at = time.monotonic()
            self._change("open")

    def _change(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._on_change(state)
