"""Reads eSIMs from the provider when what is kept of them is old, and waits only so long for it."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from opentelemetry import metrics

from kit import tracing
from kit.clock import Clock
from kit.db import Database
from kit.errors import Failure
from kit.provider import Priority
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM
from services.esims.record import Reading, record

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Up to so many eSIMs at once are read with their state too, which is a second request for each:
# the whole platform has ten tokens a second, so a long list gets its bundles only.
FEW = 5
# Of a long list so many are asked for at once: the rest waits here, not in the line before the
# provider's rate limit, where it would run out of time and hold up everybody else.
LANE = 8
# Seconds after which a long list that is read in the background records what it has so far.
RECORD_EVERY = 10.0


class Readings:
    """One reading at a time for each eSIM, whoever waits for it; what is read goes to the database.

    What is younger than `fresh_for` is not read again. `wait` is how many seconds a caller waits;
    what takes longer is finished in the background.
    """

    def __init__(
        self,
        database: Database,
        source: ESIMsDataSource,
        *,
        fresh_for: timedelta,
        wait: float,
        clock: Clock,
    ) -> None:
        self._database = database
        self._source = source
        self._fresh_for = fresh_for
        self._wait = wait
        self._clock = clock
        self._flights: dict[UUID, asyncio.Task[None]] = {}
        self._read: list[Reading] = []
        self._recording = asyncio.Lock()
        self._lane = asyncio.Semaphore(LANE)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._looks = metrics.get_meter("esimgo.esims").create_counter(
            "esimgo.esims.looks",
            "{esim}",
            "eSIMs that somebody looked at, by what was kept of them",
        )

    async def freshen(
        self, esims: Sequence[ESIM], *, time_left: float | None = None, force: bool = False
    ) -> None:
        """Reads those that are stale (with `force`: all) and returns when done or out of time.

        What could not be read stays as it was, and is no error: its age shows. `time_left` is
        that of the caller, in seconds. Raises Failure when the database is away.
        """
        now = self._clock.wall()
        due = [
            esim
            for esim in esims
            if force or esim.is_stale(now, self._fresh_for, state_too=len(esims) <= FEW)
        ]
        self._looks.add(len(esims) - len(due), {"outcome": "fresh"})
        self._looks.add(len(due), {"outcome": "stale"})
        if not due:
            return
        # A third of the caller's time is kept for the database and the way back.
        wait = self._wait if time_left is None else min(self._wait, time_left * 2 / 3)
        few = len(due) <= FEW
        reads = self._start(due, few=few, priority=Priority.READ if few else Priority.SYNC)
        self._in_background(self._finish(reads))
        if wait > 0:
            await asyncio.wait(reads, timeout=wait)
            # On its own, so that a caller who goes away doesn't take others' readings along.
            await asyncio.shield(self._in_background(self._record()))

    async def read_all(self, esims: Sequence[ESIM]) -> None:
        """Reads all of these for background work: behind customers' requests, without a bound."""
        await self._finish(self._start(esims, few=True, priority=Priority.SYNC))

    def read_later(self, esims: Sequence[ESIM]) -> None:
        """As `read_all`, without waiting for it."""
        self._in_background(self.read_all(esims))

    async def close(self) -> None:
        """Gives up what is on its way: it will be stale, and so be read again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(
        self, esims: Sequence[ESIM], *, few: bool, priority: Priority
    ) -> list[asyncio.Task[None]]:
        for esim in esims:
            if esim.id not in self._flights:
                read = self._read_one if few else self._read_in_lane
                self._flights[esim.id] = self._in_background(read(esim, few, priority))
        return list({self._flights[esim.id] for esim in esims})

    async def _read_in_lane(self, esim: ESIM, state_too: bool, priority: Priority) -> None:
        async with self._lane:
            await self._read_one(esim, state_too, priority)

    async def _read_one(self, esim: ESIM, state_too: bool, priority: Priority) -> None:
        with tracing.part("read eSIM", {"esimgo.esim.id": str(esim.id)}):
            await self._ask(esim, state_too, priority)

    async def _ask(self, esim: ESIM, state_too: bool, priority: Priority) -> None:
        asked_at = self._clock.wall()
        read = False
        try:
            assignments, details = await asyncio.gather(
                _or_none(self._source.get_bundles(esim.iccid, priority=priority)),
                _or_none(self._source.get_esim(esim.iccid, priority=priority))
                if state_too or not esim.installable
                else _nothing(),
            )
            read = assignments is not None or details is not None
            if read:
                listed = assignments is not None
                self._read.append(Reading(esim.id, asked_at, assignments, listed, details))
        finally:
            # Otherwise it is on its way until it is recorded: nobody else need ask.
            if not read:
                self._flights.pop(esim.id, None)

    async def _finish(self, reads: Sequence[asyncio.Task[None]]) -> None:
        # Around what may go on after the request that asked for it.
        with tracing.part("read eSIMs", {"esimgo.esims": len(reads)}):
            await self._finished(set(reads))

    async def _finished(self, pending: set[asyncio.Task[None]]) -> None:
        while pending:
            done, pending = await asyncio.wait(pending, timeout=RECORD_EVERY)
            for task in done:
                if not task.cancelled() and (error := task.exception()) is not None:
                    logger.error("reading an eSIM failed", exc_info=error)
            await self._record()

    async def _record(self) -> None:
        """Records all that was read by now, at once for all who wait."""
        async with self._recording:
            readings, self._read = self._read, []
            if not readings:
                return
            try:
                async with self._database.system() as connection:
                    await record(connection, readings, self._clock.wall())
            finally:
                for reading in readings:
                    self._flights.pop(reading.esim_id, None)

    def _in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(task.exception(), Failure):
            logger.warning("readings were not kept and will be read again: %s", task.exception())


async def _or_none(asked: Coroutine[Any, Any, T]) -> T | None:
    """The client has logged why there is no answer."""
    try:
        return await asked
    except Failure:
        return None


async def _nothing() -> None:
    return None
