"""Logging of repeated conditions: one line when a condition begins and one when it ends."""

import asyncio
import logging
from asyncio import AbstractEventLoop, TimerHandle
from contextlib import suppress
from dataclasses import dataclass

from kit.values.clock import Clock

# Seconds without another occurrence after which an episode has ended.
QUIET = 30.0
# Maximum number of open episodes, because some keys depend on callers.
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
    """Logs a condition when it begins, counts its occurrences, and logs the count when it ends.

    Each key is a separate condition, and names it in the last line. Occurrences in between are logged at
    level debug.
    """

    def __init__(self, logger: logging.Logger, *, clock: Clock | None = None) -> None:
        self._logger = logger
        self._clock = clock or Clock()
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
        """Record an occurrence. The message is logged for the first one of an episode.

        With an `error`, its traceback is logged too, and each type of error is a separate condition.
        An episode ends after QUIET seconds without occurrences, or with `lasting` only by `resolve`.
        """
        self._follow_loop()
        if error is not None:
            key = f"{key} ({type(error).__name__})"
        if key not in self._open and len(self._open) >= MAX_EPISODES:
            key = OTHERS
        now = self._clock.now()
        episode = self._open.get(key)
        if episode is not None and episode.timer is None and not lasting:
            # A thread without an event loop recorded it, so that no timer ends it.
            self._end_if_quiet(key, episode)
            episode = self._open.get(key)
        if episode is None:
            self._open[key] = episode = _Episode(level, now, now)
            self._logger.log(level, message, *arguments, exc_info=error)
        else:
            episode.count += 1
            episode.last = now
            self._logger.debug(message, *arguments, exc_info=error)
        if episode.timer is None and not lasting:
            self._watch(key, episode, QUIET)

    def resolve(self, key: str, message: str = "") -> None:
        """End the episode if it is open, and log `message`, or that it is over, with the count."""
        if key in self._open:
            self._end(key, message or f"{key}: over", self._clock.now())

    def _follow_loop(self) -> None:
        """Drop the episodes of an earlier event loop, whose timers never fire."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if loop is not self._loop:
            self._open.clear()
            self._loop = loop

    def _watch(self, key: str, episode: _Episode, seconds: float) -> None:
        with suppress(RuntimeError):  # no event loop yet
            episode.timer = self._clock.call_later(
                seconds, lambda: self._end_if_quiet(key, episode)
            )

    def _end_if_quiet(self, key: str, episode: _Episode) -> None:
        left = episode.last + QUIET - self._clock.now()
        if left > 0:
            self._watch(key, episode, left)
        elif episode.count == 1:
            del self._open[key]  # already logged completely
        else:
            self._end(key, f"{key}: over", episode.last)

    def _end(self, key: str, message: str, at: float) -> None:
        episode = self._open.pop(key)
        if episode.timer is not None:
            episode.timer.cancel()
        self._logger.log(
            episode.level, "%s (%d times in %.0f s)", message, episode.count, at - episode.since
        )
