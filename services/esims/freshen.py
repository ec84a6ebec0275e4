"""Reads eSIMs from the provider when what is kept of them is old, and waits only so long for it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import zip_longest
from typing import Any, TypeVar
from uuid import UUID

from opentelemetry import metrics

from kit import background, tracing
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


@dataclass(eq=False, slots=True)
class Flight:
    """A reading on its way; once it has asked, its answer may miss what happens from then on."""

    task: "asyncio.Task[None]" = field(init=False)
    asked: bool = False


class Readings:
    """One reading of an eSIM for all who wait for it; what is read goes to the database.

    What is younger than `fresh_for` is not read again, and what is on its way is waited for. Only who
    must see what happened a moment ago has it asked anew. `wait` is how many seconds a caller waits;
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
        self._flights: dict[UUID, Flight] = {}
        self._read: list[tuple[Flight, Reading]] = []
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
        """Reads those that are stale (with `force`: all, asked after this call) and returns when done
        or out of time.

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
        priority = Priority.READ if few else Priority.SYNC
        reads = self._start(due, few=few, priority=priority, anew=force)
        self._in_background(self._finish(reads))
        if wait > 0:
            await asyncio.wait(reads, timeout=wait)
            # On its own, so that a caller who goes away doesn't take others' readings along.
            await asyncio.shield(self._in_background(self._record()))

    async def read_all(self, esims: Sequence[ESIM]) -> None:
        """Reads all of these for background work: behind customers' requests, without a bound.

        The provider is asked after this call, whatever is on its way.
        """
        await self._finish(self._start(esims, few=True, priority=Priority.SYNC, anew=True))

    def read_later(self, esims: Sequence[ESIM]) -> None:
        """Reads them likewise, without waiting for it, and with what is on its way already."""
        self._in_background(self._finish(self._start(esims, few=True, priority=Priority.SYNC)))

    async def close(self) -> None:
        """Gives up what is on its way: it will be stale, and so be read again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(
        self, esims: Sequence[ESIM], *, few: bool, priority: Priority, anew: bool = False
    ) -> list[asyncio.Task[None]]:
        for esim in esims:
            flight = self._flights.get(esim.id)
            if flight is None or (anew and flight.asked):
                flight = self._flights[esim.id] = Flight()
                read = self._read_one if few else self._read_in_lane
                flight.task = self._in_background(read(esim, flight, few, priority))
        return list({self._flights[esim.id].task for esim in esims})

    async def _read_in_lane(
        self, esim: ESIM, flight: Flight, state_too: bool, priority: Priority
    ) -> None:
        async with self._lane:
            await self._read_one(esim, flight, state_too, priority)

    async def _read_one(
        self, esim: ESIM, flight: Flight, state_too: bool, priority: Priority
    ) -> None:
        with tracing.part("read eSIM", {"esimgo.esim.id": str(esim.id)}):
            await self._ask(esim, flight, state_too, priority)

    async def _ask(self, esim: ESIM, flight: Flight, state_too: bool, priority: Priority) -> None:
        asked_at, flight.asked = self._clock.wall(), True
        read = False
        try:
            listing, details = await asyncio.gather(
                _or_none(self._source.get_bundles(esim.iccid, priority=priority)),
                _or_none(self._source.get_esim(esim.iccid, priority=priority))
                if state_too or not esim.installable
                else _nothing(),
            )
            read = listing is not None or details is not None
            if read:
                reading = Reading(
                    esim.id,
                    asked_at,
                    assignments=listing.assignments if listing else None,
                    listed=listing is not None,
                    skipped=listing.skipped if listing else 0,
                    details=details,
                )
                self._read.append((flight, reading))
        finally:
            # Otherwise it is on its way until it is recorded: nobody else need ask.
            if not read:
                self._land(flight, esim.id)

    async def _finish(self, reads: Sequence[asyncio.Task[None]]) -> None:
        # Around what may go on after the request that asked for it.
        with tracing.part("read eSIMs", {"esimgo.esims": len(reads)}):
            await self._finished(set(reads))

    async def _finished(self, pending: set[asyncio.Task[None]]) -> None:
        while pending:
            _, pending = await asyncio.wait(pending, timeout=RECORD_EVERY)
            await self._record()

    async def _record(self) -> None:
        """Records all that was read by now, at once for all who wait."""
        async with self._recording:
            landed, self._read = self._read, []
            if not landed:
                return
            try:
                await self._record_all([reading for _, reading in landed])
            finally:
                for flight, reading in landed:
                    self._land(flight, reading.esim_id)

    async def _record_all(self, readings: Sequence[Reading]) -> None:
        """In one transaction, or, where one of them can't be recorded, each in its own."""
        try:
            async with self._database.system() as connection:
                for some in _of_different_esims(readings):
                    await record(connection, some, self._clock.wall())
        except Failure:
            raise
        except Exception:
            logger.exception("%s eSIMs are recorded one by one", len(readings))
            for reading in readings:
                await self._record_alone(reading)

    async def _record_alone(self, reading: Reading) -> None:
        try:
            async with self._database.system() as connection:
                await record(connection, [reading], self._clock.wall())
        except Failure:
            raise
        except Exception:
            # Its age shows that it was not refreshed; the others must not wait for it.
            logger.exception("the refresh of eSIM %s could not be recorded", reading.esim_id)

    def _land(self, flight: Flight, esim_id: UUID) -> None:
        if self._flights.get(esim_id) is flight:  # else a later one is on its way
            del self._flights[esim_id]

    def _in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = background.start(work, "refresh eSIMs")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _of_different_esims(readings: Sequence[Reading]) -> Iterator[list[Reading]]:
    """In turns: an eSIM that was asked for anew has two."""
    of_esim: defaultdict[UUID, list[Reading]] = defaultdict(list)
    for reading in readings:
        of_esim[reading.esim_id].append(reading)
    for turn in zip_longest(*of_esim.values()):
        yield [reading for reading in turn if reading is not None]


async def _or_none(asked: Coroutine[Any, Any, T]) -> T | None:
    """The client has logged why there is no answer."""
    try:
        return await asked
    except Failure:
        return None


async def _nothing() -> None:
    return None
