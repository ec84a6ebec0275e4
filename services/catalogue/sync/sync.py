"""Syncs the provider's catalogue into the database: at start, every hour, and on request."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

from kit import background
from kit.background import Loop
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.telemetry import tracing
from services.catalogue.datasource import CatalogueDataSource
from services.catalogue.metrics import Metrics
from services.catalogue.prices import rule_store
from services.catalogue.prices import store as price_store
from services.catalogue.prices.recompute import recompute
from services.catalogue.provider_records import Records
from services.catalogue.sync import run_store, write
from services.catalogue.sync.run_store import Run
from services.catalogue.sync.write import Change

logger = logging.getLogger(__name__)

# Seconds; far below DEAD_AFTER.
HEARTBEAT_EVERY = 1.0
# Seconds between polls of a run that a caller follows.
POLL_EVERY = 0.25
# Seconds before a failed sync is retried, doubled each time.
FIRST_RETRY = 5.0
LAST_RETRY = 300.0
STOPPED = "The service stopped before the refresh was finished."


class _Progress:
    """Progress of a sync; `updated` is set after each page."""

    def __init__(self) -> None:
        self.read = 0
        self.expected = 0
        self.updated = asyncio.Event()

    def after_page(self, read: int, expected: int) -> None:
        self.read, self.expected = read, expected
        self.updated.set()


class Sync:
    """Runs syncs in this process; one runs at a time over all replicas.

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
        """Return the loop that syncs at the start and whenever the last sync is old enough."""
        return Loop("read the catalogue", self._read_when_due, self._stop, every=FIRST_RETRY)

    async def start(self) -> UUID:
        """Begin a sync, or join the one in progress; return the run to follow.

        It continues if the caller disconnects. Raises Failure UNAVAILABLE while the service stops.
        """
        while not self._stop.is_set():
            async with self._database.system() as connection:
                begun = await run_store.begin(connection)
                joined = None if begun else await run_store.unfinished(connection)
            if begun is not None and self._stop.is_set():  # the stop came between the two checks
                await self._record_failure(begun, STOPPED)
            elif begun is not None:
                task = background.start(self._run(begun), "read the catalogue")
                self._runs.add(task)
                task.add_done_callback(self._runs.discard)
                return begun
            if joined is not None:  # None if it ended between the two checks
                return joined
        raise Failure(Kind.UNAVAILABLE, "STOPPING", "The service is shutting down; try again soon")

    async def follow(self, run: UUID) -> AsyncIterator[Run]:
        """Yield the run's progress as it changes, and finally its result."""
        last: Run | None = None
        while last is None or last.finished_at is None:
            if last is not None:
                await asyncio.sleep(POLL_EVERY)
            async with self._database.system() as connection:
                await run_store.end_dead(connection)
                now = await run_store.by_id(connection, run)
            if now is None:
                raise Failure(
                    Kind.NOT_FOUND,
                    "RUN_NOT_FOUND",
                    "This catalogue refresh no longer exists; start another one",
                )
            if now != last:
                yield now
            last = now

    async def cancel(self) -> None:
        """Cancel the sync of this process, which then changes nothing."""
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
        """Sync, or wait for the sync in progress; return its error, or an empty text."""
        error = ""
        try:
            async for run in self.follow(await self.start()):
                error = run.error
        except Failure as failure:
            return _message(failure)
        except Exception:
            logger.exception("catalogue refresh failed unexpectedly")
            return "Internal error, logged above."
        return error

    async def _until_due(self) -> None:
        """Wait until the last success of any replica is old enough.

        Prices are computed first if that sync was run by a release that did not compute prices.
        """
        while not self._stop.is_set():
            async with self._database.system() as connection:
                if await price_store.outdated(connection):
                    await recompute(connection)
                age, skipped = await run_store.since_success(connection)
            self._metrics.last_read(age)
            self._metrics.skipped(skipped)
            if age is None or age >= self._every:
                return
            await background.sleep(self._every - age, self._stop)

    async def _run(self, run: UUID) -> None:
        progress = _Progress()
        heartbeats = background.start(self._send_heartbeats(run, progress), "report progress")
        try:
            # Linked to an administrator's call, if one requested it.
            with tracing.root_span("read the catalogue", links=[tracing.current_context()]):
                await self._read_and_write(run, progress)
        except Failure as failure:
            await self._record_failure(run, _message(failure))
        except asyncio.CancelledError:
            await self._record_failure(run, STOPPED)
            raise
        except Exception:
            logger.exception("catalogue refresh failed unexpectedly")
            await self._record_failure(run, "Internal error; see the log of the catalogue service.")
        finally:
            heartbeats.cancel()

    async def _send_heartbeats(self, run: UUID, progress: _Progress) -> None:
        """Record the progress after each page, and in between as a heartbeat."""
        while True:
            progress.updated.clear()
            with suppress(Failure):  # the database may be back by the next heartbeat
                async with self._database.system() as connection:
                    await run_store.record_progress(
                        connection, run, progress.read, progress.expected
                    )
            with suppress(TimeoutError):
                await asyncio.wait_for(progress.updated.wait(), HEARTBEAT_EVERY)

    async def _read_and_write(self, run: UUID, progress: _Progress) -> None:
        """Read everything before writing anything: a failed page changes nothing."""
        currency = await self._source.get_currency()
        records = await self._source.read_catalogue(progress.after_page)
        async with self._database.system() as connection:
            await rule_store.lock(connection)
            before = await write.count_on_sale(connection)
            change = await write.write(connection, records, currency)
            await self._refuse_loss(connection, records, before)
            await recompute(connection)
            if not await run_store.finish(connection, run, len(records.bundles), change):
                # The exception rolls the writes back.
                raise Failure(
                    Kind.CONFLICT,
                    "RUN_TAKEN_OVER",
                    "The refresh took too long, so another process took over",
                )
            await run_store.forget_old(connection)
        self._metrics.read(len(records.bundles))
        self._metrics.skipped(len(change.unusable))
        _log(records, change)

    async def _refuse_loss(self, connection: Connection, records: Records, before: int) -> None:
        """Refuse a result that lost most of the catalogue, which is more likely a fault than true."""
        after = await write.count_on_sale(connection)
        if self._allow_shrink or (records.bundles and 2 * after >= before):
            return
        unusable = f"; {len(records.unusable)} records can't be used" if records.unusable else ""
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
                await run_store.fail(connection, run, error)
        except Failure:
            # Left unfinished: it soon counts as dead, and so as failed.
            logger.warning("the failed catalogue refresh could not be recorded: %s", error)


def _log(records: Records, change: Change) -> None:
    """Log one line about the sync, and one about all records that could not be used."""
    logger.info(
        "catalogue refreshed: %d plans, of them %d new and %d changed; %d withdrawn",
        len(records.bundles),
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
            "; ".join(run_store.problems(change)),
        )


def _message(failure: Failure) -> str:
    """Return an error message for the log and the status, with the provider's answer if there is one."""
    text = failure.message.rstrip(".")
    if status := failure.details.get("provider_status"):
        text += f" ({failure.details['endpoint']} answered {status})"
    return f"{text}."
