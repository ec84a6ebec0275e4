"""A dependency that the process can do without, such as Redis, and what happens while it is unavailable."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kit.errors import Failure
from kit.logs.episodes import Episodes
from kit.values.clock import Clock

T = TypeVar("T")

# Seconds without a call to a dependency that failed, so that its absence doesn't slow every request down.
PAUSE = 5.0


class OptionalDependency:
    """Skips calls for PAUSE seconds after one failed, and logs when an outage begins and when it ends.

    `away`, `instead` and `back` are the words of the two log lines: what is unavailable, what happens
    meanwhile, and that it is available again. `errors` are those that an outage raises.
    """

    def __init__(
        self,
        logger: logging.Logger,
        away: str,
        instead: str,
        back: str,
        *,
        errors: tuple[type[Exception], ...],
        clock: Clock,
    ) -> None:
        self._away, self._instead, self._back = away, instead, back
        self._errors = errors
        self._clock = clock
        self._until: float | None = None
        self._episodes = Episodes(logger)

    async def attempt(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """Return what the call returns; None if the dependency is unavailable."""
        if self._until is not None and self._clock.now() < self._until:
            return None
        try:
            result = await call()
        except self._errors as error:
            # Other errors may quote an address with its password.
            cause = str(error) if isinstance(error, Failure) else type(error).__name__
            self._episodes.record(
                self._away, f"{self._away} (%s); {self._instead}", cause, lasting=True
            )
            self._until = self._clock.now() + PAUSE
            return None
        self._until = None
        self._episodes.resolve(self._away, self._back)
        return result
