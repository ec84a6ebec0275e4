"""Whether a database takes writes: tried every few seconds, and learned from writes that failed."""

import asyncio
import logging
from typing import Protocol

from kit.db import errors as db_errors
from kit.db.metrics import Metrics
from kit.logs.episodes import Episodes
from kit.rpc.health import Health
from kit.values.clock import Clock

log = logging.getLogger(__name__)

# The name to ask gRPC's health service for. The server's own name stays SERVING: what is stored can be
# read, and restarting the server would not help.
NAME = "database"
# Seconds between trials while all is well, and while it isn't. One writes 6 kB, and takes it back.
EVERY = 15.0
EVERY_UNWELL = 2.0
# Seconds between two rounds of `watch`.
SHOWN_EVERY = 1.0
# Seconds that a trial may take; and that its result serves who asks.
TIMEOUT = 5.0
FRESH = 2.0
# Seconds that a failed write counts although trials work: the trial's table may have room by luck.
REMEMBERED = 15.0


class Trial(Protocol):
    """The database, as far as its health goes."""

    async def try_write(self) -> None:
        """Raise what a write raises."""


class Writes:
    """The reason why nothing can be stored now, or None."""

    def __init__(self, trial: Trial, metrics: Metrics, clock: Clock | None = None) -> None:
        self._trial = trial
        self._metrics = metrics
        self._clock = clock or Clock()
        self._lock = asyncio.Lock()
        self._episodes = Episodes(log)
        self._reason: str | None = None
        self._tried_at: float | None = None
        self._failed: tuple[str, float] | None = None

    def failed(self, reason: str) -> None:
        """Work failed for this reason; only what is true of every write counts."""
        if reason in (db_errors.READ_ONLY, db_errors.FULL):
            self._failed = (reason, self._clock.now())
            self._note(reason)

    @property
    def reason(self) -> str | None:
        """As it was last found out."""
        return self._reason

    async def check(self) -> str | None:
        """The reason, tried now unless a trial was just made; for many callers at once too."""
        async with self._lock:
            now = self._clock.now()
            if self._tried_at is None or now - self._tried_at >= FRESH:
                await self._try()
                self._tried_at = self._clock.now()
        return self._reason

    async def _try(self) -> None:
        reason = None
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._trial.try_write()
        except Exception as error:  # noqa: BLE001 - whatever keeps a row from being written
            reason = getattr(error, "reason", None) or db_errors.reason_of(error)
            if reason is None:
                log.debug("the health check of the database failed: %s", error)
        if reason is None and self._failed is not None:
            why, at = self._failed
            reason = why if self._clock.now() - at < REMEMBERED else None
        self._note(reason)

    def _note(self, reason: str | None) -> None:
        self._reason = reason
        self._metrics.writable(reason is None)
        key = "database does not accept writes"
        if reason is None:
            self._episodes.resolve(key, "database accepts writes again")
        else:
            self._episodes.record(key, "%s: %s", key, reason, lasting=True)

    async def watch(self, health: Health | None = None) -> None:
        """Try a write if it is time, and show the result in the health of a gRPC server."""
        every = EVERY if self._reason is None else EVERY_UNWELL
        if self._tried_at is None or self._clock.now() - self._tried_at >= every:
            await self.check()
        if health is not None:
            health.set(NAME, serving=self._reason is None)  # work that failed may have changed it
