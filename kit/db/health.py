"""Health check of a database: whether it accepts writes, from regular trials and failed writes."""

import asyncio
import logging
from typing import Protocol

from kit.db import errors as db_errors
from kit.db.metrics import Metrics
from kit.logs.episodes import Episodes
from kit.rpc.health import Health
from kit.values.clock import Clock

log = logging.getLogger(__name__)

# The service name in gRPC health checks. The server itself stays SERVING, because reads still work and a
# restart would not help.
NAME = "database"
# Seconds between trials while the database is healthy and unhealthy. Each inserts 6 kB and rolls back.
EVERY = 15.0
EVERY_UNHEALTHY = 2.0
# Seconds between two rounds of `watch`.
WATCH_EVERY = 1.0
# Timeout of a trial in seconds, and how long its result is shared.
TIMEOUT = 5.0
FRESH = 2.0
# Seconds that a failed write outweighs successful trials, whose table may happen to have free space.
REMEMBERED = 15.0


class Trial(Protocol):
    """The part of a database that health checks use."""

    async def try_write(self) -> None:
        """Raise an exception if the database does not accept writes."""


class Writes:
    """Tracks whether the database accepts writes, and why not."""

    def __init__(self, trial: Trial, metrics: Metrics) -> None:
        self._trial = trial
        self._metrics = metrics
        self._clock = Clock()
        self._lock = asyncio.Lock()
        self._episodes = Episodes(log)
        self._reason: str | None = None
        self._tried_at: float | None = None
        self._failed: tuple[str, float] | None = None

    def failed(self, reason: str) -> None:
        """Record why a statement failed. Only reasons that affect every write count."""
        if reason in (db_errors.READ_ONLY, db_errors.FULL):
            self._failed = (reason, self._clock.now())
            self._note(reason)

    @property
    def reason(self) -> str | None:
        """Why writes failed at the last check; None if they succeeded."""
        return self._reason

    async def check(self) -> str | None:
        """Return the current reason. Concurrent and closely spaced calls share one trial."""
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
        except Exception as error:  # noqa: BLE001 - anything that prevents a write
            reason = getattr(error, "reason", None) or db_errors.reason_of(error)
            if reason is None:  # such as a missing privilege, or a damaged table
                reason = db_errors.UNAVAILABLE
                text = str(error).partition("\n")[0]
                cause = type(error).__name__
                self._episodes.record(
                    f"write trials fail ({cause})", "a write trial failed: %s: %s", cause, text
                )
        if reason is None and self._failed is not None:
            failure, at = self._failed
            reason = failure if self._clock.now() - at < REMEMBERED else None
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
        """Try a write if one is due, and report the result to a gRPC server's health service."""
        every = EVERY if self._reason is None else EVERY_UNHEALTHY
        if self._tried_at is None or self._clock.now() - self._tried_at >= every:
            await self.check()
        if health is not None:
            health.set(NAME, serving=self._reason is None)  # `failed` may have changed it
