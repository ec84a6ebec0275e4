"""Calls to a dependency that the process can do without, such as Redis."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client import Counter

from kit.errors import Failure
from kit.logs.episodes import Episodes
from kit.values.clock import Clock

T = TypeVar("T")

# Seconds without calls after a failure, so that an outage doesn't slow down every request.
PAUSE = 5.0


class OptionalDependency:
    """Skips calls for PAUSE seconds after one failed, and logs the beginning and end of an outage.

    `unavailable`, `fallback` and `available` are the texts of the two log lines: what is unavailable, what
    happens instead, and that it is available again. `errors` are the exceptions that mean an outage, and
    `failures` counts them.
    """

    def __init__(
        self,
        logger: logging.Logger,
        unavailable: str,
        fallback: str,
        available: str,
        *,
        errors: tuple[type[Exception], ...],
        clock: Clock,
        failures: Counter | None = None,
    ) -> None:
        self._unavailable, self._fallback, self._available = unavailable, fallback, available
        self._errors = errors
        self._failures = failures
        self._clock = clock
        self._paused_until: float | None = None
        self._episodes = Episodes(logger)

    async def attempt(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """Return what the call returns; None if the dependency is unavailable."""
        if self._paused_until is not None and self._clock.now() < self._paused_until:
            return None
        try:
            result = await call()
        except self._errors as error:
            # The text of other errors may contain a password.
            cause = str(error) if isinstance(error, Failure) else type(error).__name__
            self._episodes.record(
                self._unavailable,
                f"{self._unavailable} (%s); {self._fallback}",
                cause,
                lasting=True,
            )
            self._paused_until = self._clock.now() + PAUSE
            if self._failures is not None:
                self._failures.inc()
            return None
        self._paused_until = None
        self._episodes.resolve(self._unavailable, self._available)
        return result
