"""Log lines that a flood of requests or failures would repeat: one when it begins, one when it ends."""

import asyncio
import logging
import time
from asyncio import AbstractEventLoop, TimerHandle
from contextlib import suppress
from dataclasses import dataclass

from kit.values.clock import Clock

# Seconds without another occurrence after which an episode has ended.
QUIET = 30.0
# Episodes that are counted apart at once; keys that callers choose must not fill the memory or the log.
MAX_EPISODES = 100
OTHERS = "other conditions"


@dataclass(slots=True)
class _Episode:
    level: int
    since: float
    last: float
    count: int = 1
    timer: TimerHandle | None = None


class Episodes:
    """Logs a condition when it begins, counts it while it lasts, and logs the count when it ends.

    Each key is a condition of its own, and names it in the last line. Occurrences in between are
    logged at debug only.
    """

    def __init__(
        self, logger: logging.Logger, *, clock: Clock | None = None, quiet: float = QUIET
    ) -> None:
        self._logger = logger
        self._clock = clock or Clock()
        self._quiet = quiet
        self._open: dict[str, _Episode] = {}
        self._loop: AbstractEventLoop | None = None

    def record(
        self,
        key: str,
        message: str,
        *arguments: object,
        level: int = logging.WARNING,
        error: BaseException | None = None,
        lasting: bool = False,
    ) -> None:
        """Note an occurrence; the message is logged for the first of an episode.

        With an `error` its traceback is logged too, and each type of error is a condition of its own.
        The episode ends after QUIET seconds without another occurrence; a `lasting` one only by `resolve`.
        """
        self._follow_loop()
        if error is not None:
            key = f"{key} ({type(error).__name__})"
        if key not in self._open and len(self._open) >= MAX_EPISODES:
            key = OTHERS
        now = self._now()
        episode = self._open.get(key)
        if episode is None:
            self._open[key] = episode = _Episode(level, now, now)
            self._logger.log(level, message, *arguments, exc_info=error)
        else:
            episode.count += 1
            episode.last = now
            self._logger.debug(message, *arguments, exc_info=error)
        if episode.timer is None and not lasting:
            self._watch(key, episode, self._quiet)

    def resolve(self, key: str, message: str = "") -> None:
        """The condition has ended: logs that, or the message, with the count if it had begun."""
        if key in self._open:
            self._end(key, message or f"{key}: over", self._now())

    def _follow_loop(self) -> None:
        """Drop the episodes of an event loop that has ended: their timers never fire."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if loop is not self._loop:
            self._open.clear()
            self._loop = loop

    def _now(self) -> float:
        try:
            return self._clock.now()
        except RuntimeError:  # no event loop
            return time.monotonic()

    def _watch(self, key: str, episode: _Episode, seconds: float) -> None:
        with suppress(RuntimeError):  # no event loop, as before the process has started
            episode.timer = self._clock.call_later(seconds, lambda: self._look(key, episode))

    def _look(self, key: str, episode: _Episode) -> None:
        left = episode.last + self._quiet - self._now()
        if left > 0:
            self._watch(key, episode, left)
        elif episode.count == 1:
            del self._open[key]  # its one line has said everything
        else:
            self._end(key, f"{key}: over", episode.last)

    def _end(self, key: str, message: str, at: float) -> None:
        episode = self._open.pop(key)
        if episode.timer is not None:
            episode.timer.cancel()
        self._logger.log(
            episode.level, "%s (%d times in %.0f s)", message, episode.count, at - episode.since
        )
