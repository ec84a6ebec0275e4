"""The circuit breaker before the provider: after repeated failures, calls fail at once for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from purgatory.domain.model import Context, OpenedState

from kit.errors import Failure, Kind

State = Literal["closed", "open", "half-open"]
STATES: dict[str, State] = {"closed": "closed", "opened": "open", "half-opened": "half-open"}


class Circuit:
    """Purgatory's state machine, used directly: a cancelled call must count neither way.

    After `threshold` counted failures in a row it is open for `seconds`; then one call at a time
    may try, and its outcome closes or reopens it. `on_change` is told every new state.
    """

    def __init__(self, threshold: int, seconds: float, on_change: Callable[[State], None]) -> None:
        self._context = Context("provider", threshold, seconds)
        self._on_change = on_change
        self._told: State = "closed"
        self._trying = False

    @property
    def state(self) -> State:
        """Open until the next call after the pause finds it half-open."""
        return STATES[self._context.state]

    def check(self) -> None:
        """Raises Failure UNAVAILABLE when no call may pass now."""
        try:
            self._context.handle_new_request()
        except OpenedState as opened:
            # Purgatory raises the one object again and again: its traceback would grow each time.
            opened.__traceback__ = None
            refused = True
        else:
            refused = self.state == "half-open" and self._trying
        self._tell()
        if refused:
            raise Failure(
                Kind.UNAVAILABLE,
                "PROVIDER_CIRCUIT_OPEN",
                "The provider has failed repeatedly, so no calls are sent to it for a moment; try"
                " again later.",
                retry_after=self._context.ttl,
            )

    @contextmanager
    def passage(self, judge: Callable[[Failure], bool | None]) -> Iterator[None]:
        """Lets one call through and learns from its outcome; raises as `check` does.

        `judge` tells whether a failure shows the provider in health (True), broken (False), or
        says nothing (None).
        """
        self.check()
        trying = self.state == "half-open"
        self._trying = self._trying or trying
        try:
            yield
        except Failure as failure:
            healthy = judge(failure)
            if healthy is False:
                self._context.handle_exception(failure)
            elif healthy:
                self._context.handle_end_request()
            raise
        else:
            self._context.handle_end_request()
        finally:
            if trying:
                self._trying = False
            self._tell()

    def _tell(self) -> None:
        self._context.messages.clear()  # events for purgatory's own bus, which isn't used
        if self.state != self._told:
            self._told = self.state
            self._on_change(self.state)
