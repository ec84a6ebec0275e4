"""Reading the provider's whole catalogue into ours: at start, every hour, and when asked."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

from kit import background, tracing
from kit.background import Loop
from kit.db import Connection, Database
from kit.errors import Failure, Kind
from services.catalogue import intake, runs
from services.catalogue.datasource import CatalogueDataSource
from services.catalogue.intake import Change
from services.catalogue.metrics import Metrics
from services.catalogue.reading import Reading
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
STOPPED = "The service stopped before the refresh was finished."


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
        self,
        database: Database,
        source: CatalogueDataSource,
        *,
        every: float,
        allow_shrink: bool,
        stop: asyncio.Event,
    ) -> None:
        self._database = database
        self._source = source
        self._every = every
        self._allow_shrink = allow_shrink
        self._metrics = Metrics()
        self._runs: set[asyncio.Task[None]] = set()
        self._retry = FIRST_RETRY
        self._stop = stop

    def loop(self) -> Loop:
        """Return the loop that reads at the start and whenever the last reading is old enough."""
        return Loop("read the catalogue", self._read_when_due, self._stop, every=FIRST_RETRY)

    async def start(self) -> UUID:
        """Begins a reading, or joins the one that is running; gives the run to follow.

        It goes on when the caller is gone. Raises Failure UNAVAILABLE while the service stops.
        """
        while not self._stop.is_set():
            async with self._database.system() as connection:
                begun = await runs.begin(connection)
                joined = None if begun else await runs.unfinished(connection)
            if begun is not None and self._stop.is_set():  # asked to stop between the looks
                await self._record_failure(begun, STOPPED)
            elif begun is not None:
                task = background.start(self._run(begun), "read the catalogue")
                self._runs.add(task)
                task.add_done_callback(self._runs.discard)
                return begun
            if joined is not None:  # none, if it ended between the two looks
                return joined
        raise Failure(Kind.UNAVAILABLE, "STOPPING", "The service is shutting down; try again soon")

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
                raise Failure(
                    Kind.NOT_FOUND, "RUN_NOT_FOUND", "This catalogue refresh no longer exists"
                )
            if now != told:
                yield now
            told = now

    async def cancel(self) -> None:
        """Cancel the reading that runs here, which changes nothing then."""
        for task in self._runs:
            task.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)

    async def _read_when_due(self) -> bool:
        error = await self._once()
        if error and not self._stop.is_set():
            logger.warning("catalogue refresh failed: %s Retrying in %.0f s.", error, self._retry)
            await background.sleep(self._retry, self._stop)
            self._retry = min(2 * self._retry, LAST_RETRY)
            return True
        self._retry = FIRST_RETRY
        await self._until_due()
        return True

    async def _once(self) -> str:
        """Reads, or waits for whoever reads; the error in words, or empty."""
        error = ""
        try:
            async for run in self.follow(await self.start()):
                error = run.error
        except Failure as failure:
            return _words(failure)
        except Exception:
            logger.exception("catalogue refresh failed unexpectedly")
            return "Internal error, logged above."
        return error

    async def _until_due(self) -> None:
        """Until the last success, of whichever replica, is old enough."""
        while not self._stop.is_set():
            async with self._database.system() as connection:
                age, skipped = await runs.since_success(connection)
            self._metrics.last_read(age)
            self._metrics.skipped(skipped)
            if age is None or age >= self._every:
                return
            await background.sleep(self._every - age, self._stop)

    async def _run(self, run: UUID) -> None:
        progress = _Progress()
        signs = background.start(self._give_signs(run, progress), "report progress")
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
            logger.exception("catalogue refresh failed unexpectedly")
            await self._record_failure(run, "Internal error; see the log of the catalogue service.")
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
        reading = await self._source.read_catalogue(progress.after_page)
        async with self._database.system() as connection:
            before = await intake.count_on_sale(connection)
            change = await intake.write(connection, reading, currency)
            await self._refuse_loss(connection, reading, before)
            if not await runs.finish(connection, run, len(reading.bundles), change):
                # Raising undoes the writes.
                raise Failure(
                    Kind.CONFLICT,
                    "RUN_TAKEN_OVER",
                    "The refresh took too long, so another process took over",
                )
            await runs.forget_old(connection)
        self._metrics.read(len(reading.bundles))
        self._metrics.skipped(len(change.unusable))
        _log(reading, change)

    async def _refuse_loss(self, connection: Connection, reading: Reading, before: int) -> None:
        """Refuses a result that lost most of the catalogue: more likely a fault than the truth."""
        after = await intake.count_on_sale(connection)
        if self._allow_shrink or (reading.bundles and 2 * after >= before):
            return
        unusable = f"; {len(reading.unusable)} records can't be used" if reading.unusable else ""
        raise Failure(
            Kind.REFUSED,
            "CATALOGUE_SHRANK",
            f"The provider's catalogue shrank from {before} plans to {after}{unusable}, so the"
            " stored one was not changed; if the new size is right, set"
            " CATALOGUE_ALLOW_SHRINK=true",
        )

    async def _record_failure(self, run: UUID, error: str) -> None:
        self._metrics.failed()
        try:
            async with self._database.system() as connection:
                await runs.fail(connection, run, error)
        except Failure:
            # Left unfinished: it is taken for dead soon, and then it counts as failed.
            logger.warning("the failed catalogue refresh could not be recorded: %s", error)


def _log(reading: Reading, change: Change) -> None:
    """One line for what was read, and one for all records that could not be used."""
    logger.info(
        "catalogue refreshed: %d plans, of them %d new and %d changed; %d withdrawn",
        len(reading.bundles),
        change.added,
        change.changed,
        change.withdrawn,
    )
    if change.unusable:
        logger.warning(
            "catalogue: %d records can't be used, so %d plans are off sale, and the others are"
            " unchanged: %s",
            len(change.unusable),
            change.withheld,
            "; ".join(runs.problems(change)),
        )


def _words(failure: Failure) -> str:
    """A sentence for the log and the status, with what the provider answered where it did."""
    text = failure.message.rstrip(".")
    if status := failure.details.get("provider_status"):
        text += f" ({failure.details['endpoint']} answered {status})"
    return f"{text}."
