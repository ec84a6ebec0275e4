"""Fetches eSIMs from the provider when the stored copy is stale, within a bounded wait."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import zip_longest
from typing import Any, TypeVar
from uuid import UUID

from kit import background
from kit.db.database import Database
from kit.errors import Failure
from kit.telemetry import metrics, tracing
from kit.values.clock import Clock
from providers.esim_go.client import Priority
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM
from services.esims.snapshots.record import Snapshot, record

logger = logging.getLogger(__name__)

T = TypeVar("T")

# For up to this many eSIMs at once the state is fetched too, with a second request for each. For more,
# only the bundles are, as the whole platform has ten requests a second.
MAX_WITH_STATE = 5
# Concurrent fetches of a long list. The rest waits here: in the queue for the provider's rate limit it would
# time out, and delay every other call.
MAX_CONCURRENT = 8
# Seconds between recording the answers so far, while a long list is fetched.
RECORD_EVERY = 10.0


@dataclass(eq=False, slots=True)
class Fetch:
    """A fetch in flight. Once it is `sent`, its answer may miss later changes."""

    task: "asyncio.Task[None]" = field(init=False)
    sent: bool = False


class Fetcher:
    """Fetches eSIMs and stores the answers; concurrent callers share one fetch of an eSIM.

    An eSIM that was fetched less than `fresh_for` ago is not fetched again. A caller waits for `wait`
    seconds at most; a fetch that takes longer continues in the background.
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
        self._in_flight: dict[UUID, Fetch] = {}
        self._unrecorded: list[tuple[Fetch, Snapshot]] = []
        self._recording = asyncio.Lock()
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lookups = metrics.counter(
            "esimgo_esims_looks",
            "eSIMs that clients read, by whether the stored data was fresh",
            ("outcome",),
        )

    async def refresh(
        self, esims: Sequence[ESIM], *, time_left: float | None = None, force: bool = False
    ) -> None:
        """Fetch the stale ones, or all with `force`, and return when they are stored or time is up.

        With `force` the provider is queried after this call, even if a fetch is in flight. An eSIM that
        could not be fetched stays as it was, and is no error: its age shows. `time_left` is the caller's
        remaining time in seconds. Raises Failure when the database is unavailable.
        """
        now = self._clock.wall()
        due = [
            esim
            for esim in esims
            if force or esim.is_stale(now, self._fresh_for, state_too=len(esims) <= MAX_WITH_STATE)
        ]
        self._lookups.labels("fresh").inc(len(esims) - len(due))
        self._lookups.labels("stale").inc(len(due))
        if not due:
            return
        # A third of the caller's time is reserved for the database and the answer.
        wait = self._wait if time_left is None else min(self._wait, time_left * 2 / 3)
        with_state = len(due) <= MAX_WITH_STATE
        priority = Priority.READ if with_state else Priority.SYNC
        fetches = self._join_or_start(due, with_state=with_state, priority=priority, again=force)
        self._spawn(self._record_until_done(fetches))
        if wait > 0:
            await asyncio.wait(fetches, timeout=wait)
            # In a separate task: a caller that disconnects must not cancel the answers of others.
            await asyncio.shield(self._spawn(self._record_answers()))

    async def refresh_all(self, esims: Sequence[ESIM]) -> None:
        """Fetch all of these for background work, after customers' requests and without a time limit.

        The provider is queried after this call, even if a fetch is in flight.
        """
        fetches = self._join_or_start(esims, with_state=True, priority=Priority.SYNC, again=True)
        await self._record_until_done(fetches)

    def refresh_later(self, esims: Sequence[ESIM]) -> None:
        """Fetch these in the background, or join the fetches in flight, without waiting."""
        fetches = self._join_or_start(esims, with_state=True, priority=Priority.SYNC)
        self._spawn(self._record_until_done(fetches))

    async def close(self) -> None:
        """Cancel the fetches in flight: their eSIMs stay stale, and are fetched again later."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _join_or_start(
        self, esims: Sequence[ESIM], *, with_state: bool, priority: Priority, again: bool = False
    ) -> list[asyncio.Task[None]]:
        """Return a task for each eSIM, joining fetches in flight; with `again`, only those not sent yet."""
        for esim in esims:
            fetch = self._in_flight.get(esim.id)
            if fetch is None or (again and fetch.sent):
                fetch = self._in_flight[esim.id] = Fetch()
                fetch.task = self._spawn(self._fetch(esim, fetch, with_state, priority))
        return list({self._in_flight[esim.id].task for esim in esims})

    async def _fetch(self, esim: ESIM, fetch: Fetch, with_state: bool, priority: Priority) -> None:
        """Query the provider about one eSIM, and leave its answer to be recorded."""
        slot: AbstractAsyncContextManager[None] = nullcontext() if with_state else self._slots
        answered = False
        try:
            async with slot:
                with tracing.child_span("read eSIM", {"esimgo.esim.id": str(esim.id)}):
                    queried_at, fetch.sent = self._clock.wall(), True
                    listing, details = await asyncio.gather(
                        _or_none(self._source.get_bundles(esim.iccid, priority=priority)),
                        _or_none(self._source.get_esim(esim.iccid, priority=priority))
                        if with_state or not esim.installable
                        else _nothing(),
                    )
            answered = listing is not None or details is not None
            if answered:
                snapshot = Snapshot(
                    esim.id,
                    queried_at,
                    assignments=listing.assignments if listing else None,
                    listed=listing is not None,
                    skipped=listing.skipped if listing else 0,
                    details=details,
                )
                self._unrecorded.append((fetch, snapshot))
        finally:
            # Otherwise it stays in flight until its answer is recorded, so that no caller queries again.
            if not answered:
                self._end(fetch, esim.id)

    async def _record_until_done(self, fetches: Sequence[asyncio.Task[None]]) -> None:
        """Record the answers every few seconds until all fetches have ended."""
        # A separate span: the fetches may outlast the request that started them.
        with tracing.child_span("read eSIMs", {"esimgo.esims": len(fetches)}):
            pending = set(fetches)
            while pending:
                _, pending = await asyncio.wait(pending, timeout=RECORD_EVERY)
                await self._record_answers()

    async def _record_answers(self) -> None:
        """Record all answers that have arrived, for all callers at once."""
        async with self._recording:
            arrived, self._unrecorded = self._unrecorded, []
            if not arrived:
                return
            try:
                await self._record_together([snapshot for _, snapshot in arrived])
            finally:
                for fetch, snapshot in arrived:
                    self._end(fetch, snapshot.esim_id)

    async def _record_together(self, snapshots: Sequence[Snapshot]) -> None:
        """Record snapshots in one transaction, or each in its own if one of them can't be recorded."""
        try:
            async with self._database.system() as connection:
                for some in _of_different_esims(snapshots):
                    await record(connection, some, self._clock.wall())
        except Failure:
            raise
        except Exception:
            logger.exception("%s eSIMs are recorded one at a time", len(snapshots))
            for snapshot in snapshots:
                await self._record_alone(snapshot)

    async def _record_alone(self, snapshot: Snapshot) -> None:
        try:
            async with self._database.system() as connection:
                await record(connection, [snapshot], self._clock.wall())
        except Failure:
            raise
        except Exception:
            # Its age shows that it was not refreshed; the others must not wait for it.
            logger.exception("the refresh of eSIM %s could not be recorded", snapshot.esim_id)

    def _end(self, fetch: Fetch, esim_id: UUID) -> None:
        if self._in_flight.get(esim_id) is fetch:  # otherwise a later fetch has replaced it
            del self._in_flight[esim_id]

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = background.start(work, "refresh eSIMs")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _of_different_esims(snapshots: Sequence[Snapshot]) -> Iterator[list[Snapshot]]:
    """Split snapshots into batches with each eSIM once: one that was fetched again has two."""
    of_esim: defaultdict[UUID, list[Snapshot]] = defaultdict(list)
    for snapshot in snapshots:
        of_esim[snapshot.esim_id].append(snapshot)
    for batch in zip_longest(*of_esim.values()):
        yield [snapshot for snapshot in batch if snapshot is not None]


async def _or_none(query: Coroutine[Any, Any, T]) -> T | None:
    """Return the answer, or None without one; the client has logged why."""
    try:
        return await query
    except Failure:
        return None


async def _nothing() -> None:
    return None
