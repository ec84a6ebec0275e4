"""Reading the provider's whole catalogue into ours: at start, every hour, and when asked."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from kit import tracing
from kit.db import Connection, Database
from kit.errors import Failure, Kind
from services.catalogue import runs, store
from services.catalogue.datasource import CatalogueDataSource
from services.catalogue.metrics import Metrics
from services.catalogue.plan import Bundle
from services.catalogue.runs import Run

logger = logging.getLogger(__name__)

# Seconds between signs of life of a run; far below what a run is taken for dead after.
SIGN_EVERY = 1.0
# Seconds between looks at a run that somebody follows; a look is one row by its key.
LOOK_EVERY = 0.25
# Seconds before a failed reading is tried again: soon at first, as a provider that restarts is
# back soon, then twice as long each time.
FIRST_RETRY = 5.0
LAST_RETRY = 300.0
STOPPED = "The service stopped before it was done."


class _Progress:
    """How far a reading is; `news` is set after each page."""

    def __init__(self) -> None:
        self.read = 0
        self.expected = 0
        self.news = asyncio.Event()

    def after_page(self, read: int, expected: int) -> None:
        self.read, self.expected = read, expected
        self.news.set()


class Sync:
    """Runs readings in this process; over all replicas one runs at a time.

    `every` is in seconds. `allow_shrink` accepts a catalogue that is empty or lost more than half.
    """

    def __init__(
        self, database: Database, source: CatalogueDataSource, *, every: float, allow_shrink: bool
    ) -> None:
        self._database = database
        self._source = source
        self._every = every
        self._allow_shrink = allow_shrink
        self._metrics = Metrics()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def keep_current(self) -> None:
        """Reads now and from then on, until `stop`."""
        self._spawn(self._forever())

    async def start(self) -> UUID:
        """Begins a reading, or joins the one that is running; gives the run to follow.

        It goes on when the caller is gone. Raises Failure UNAVAILABLE while the service stops.
        """
        while not self._stopping.is_set():
            async with self._database.system() as connection:
                begun = await runs.begin(connection)
                joined = None if begun else await runs.unfinished(connection)
            if begun is not None and self._stopping.is_set():  # asked to stop between the looks
                await self._record_failure(begun, STOPPED)
            elif begun is not None:
                self._spawn(self._run(begun))
                return begun
            if joined is not None:  # none, if it ended between the two looks
                return joined
        raise Failure(Kind.UNAVAILABLE, "STOPPING", "The service is stopping; try again soon")

    async def follow(self, run: UUID) -> AsyncIterator[Run]:
        """The run's progress whenever there is some, and at last its result."""
        told: Run | None = None
        while told is None or told.finished_at is None:
            if told is not None:
                await asyncio.sleep(LOOK_EVERY)
            async with self._database.system() as connection:
                await runs.end_dead(connection)
                now = await runs.by_id(connection, run)
            if now is None:
                raise Failure(Kind.NOT_FOUND, "RUN_NOT_FOUND", "There is no such reading any more")
            if now != told:
                yield now
            told = now

    async def stop(self) -> None:
        """Ends the reading that runs here, which changes nothing then, and begins no other."""
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forever(self) -> None:
        retry = FIRST_RETRY
        while True:
            error = await self._once()
            if error:
                logger.warning("catalogue not read: %s Trying again in %.0f s.", error, retry)
                await asyncio.sleep(retry)
                retry = min(2 * retry, LAST_RETRY)
                continue
            retry = FIRST_RETRY
            with suppress(Failure):  # the database is away: the next reading will tell
                await self._until_due()

    async def _once(self) -> str:
        """Reads, or waits for whoever reads; the error in words, or empty."""
        error = ""
        try:
            async for run in self.follow(await self.start()):
                error = run.error
        except Failure as failure:
            return _words(failure)
        except Exception:
            logger.exception("the catalogue's sync met a fault of ours")
            return "A fault of ours, logged above."
        return error

    async def _until_due(self) -> None:
        """Until the last success, of whichever replica, is old enough."""
        while True:
            async with self._database.system() as connection:
                age = await runs.seconds_since_success(connection)
            self._metrics.last_read(age)
            if age is None or age >= self._every:
                return
            await asyncio.sleep(self._every - age)

    async def _run(self, run: UUID) -> None:
        progress = _Progress()
        signs = asyncio.create_task(self._give_signs(run, progress))
        try:
            # Linked to an administrator's call, if one asked for it.
            with tracing.begun("read the catalogue", links=[tracing.here()]):
                await self._read_and_write(run, progress)
        except Failure as failure:
            await self._record_failure(run, _words(failure))
        except asyncio.CancelledError:
            await self._record_failure(run, STOPPED)
            raise
        except Exception:
            logger.exception("reading the catalogue met a fault of ours")
            await self._record_failure(run, "A fault of ours; the service's log tells more.")
        finally:
            signs.cancel()

    async def _give_signs(self, run: UUID, progress: _Progress) -> None:
        """After each page, and while there is none."""
        while True:
            progress.news.clear()
            with suppress(Failure):  # the database is away: perhaps not by the next sign
                async with self._database.system() as connection:
                    await runs.record_progress(connection, run, progress.read, progress.expected)
            with suppress(TimeoutError):
                await asyncio.wait_for(progress.news.wait(), SIGN_EVERY)

    async def _read_and_write(self, run: UUID, progress: _Progress) -> None:
        """Reads everything before it writes anything: a page that fails changes nothing."""
        currency = await self._source.get_currency()
        bundles = await self._source.read_catalogue(progress.after_page)
        async with self._database.system() as connection:
            await self._refuse_loss(connection, bundles)
            change = await store.upsert(connection, bundles, currency)
            withdrawn = await store.withdraw_others(connection, bundles)
            kept = await runs.finish(
                connection,
                run,
                read=len(bundles),
                added=change.added,
                changed=change.changed,
                withdrawn=withdrawn,
            )
            if not kept:  # raising undoes the writes
                raise Failure(
                    Kind.CONFLICT, "RUN_TAKEN_OVER", "The reading took too long and was taken over"
                )
            await runs.forget_old(connection)
        self._metrics.read(len(bundles))
        logger.info(
            "catalogue read: %d plans, of them %d new and %d changed; %d withdrawn",
            len(bundles),
            change.added,
            change.changed,
            withdrawn,
        )

    async def _refuse_loss(self, connection: Connection, bundles: Sequence[Bundle]) -> None:
        """An answer that lost most of the catalogue is more likely a fault than the truth."""
        on_sale = await store.count_on_sale(connection)
        if self._allow_shrink or (bundles and 2 * len(bundles) >= on_sale):
            return
        raise Failure(
            Kind.REFUSED,
            "CATALOGUE_SHRANK",
            f"The provider's catalogue fell from {on_sale} plans to {len(bundles)}, so ours is kept;"
            " if that is right, set CATALOGUE_ALLOW_SHRINK=true",
        )

    async def _record_failure(self, run: UUID, error: str) -> None:
        self._metrics.failed()
        try:
            async with self._database.system() as connection:
                await runs.fail(connection, run, error)
        except Failure:
            # Left unfinished: it is taken for dead soon, and then it counts as failed.
            logger.warning("the failed reading could not be recorded: %s", error)


def _words(failure: Failure) -> str:
    """A sentence for the log and the status, with what the provider answered where it did."""
    text = failure.message.rstrip(".")
    if status := failure.details.get("provider_status"):
        text += f" ({failure.details['endpoint']} answered {status})"
    return f"{text}."
