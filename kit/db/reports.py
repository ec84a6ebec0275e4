"""Transactions of reports: read-only, with a timeout, and on their own server if a setting says so."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from kit.db import errors as db_errors
from kit.db.database import REPORT_TIMEOUT, Connection, Database
from kit.errors import Failure, Kind, StartError, Stopped
from kit.logs.episodes import Episodes

episodes = Episodes(logging.getLogger(__name__))

# Connections of the own pool: reports wait for each other, so that they leave the server to others.
SIZE = 4
# Of the ten connections of the owner's pool, those that reports and exports may have together: otherwise a
# few people who look at large reports would keep all others waiting.
SHARED = 7
# Seconds that a report waits for the first connection.
PATIENCE = 5.0
TOO_SLOW = "REPORT_TOO_SLOW"


class ReportsDatabase:
    """Opens the transactions of reports, through a login of their own or the owner's pool."""

    def __init__(
        self, database: Database, url: str | None, *, owner: str, needs: str, pooled: bool = False
    ) -> None:
        self._main = database
        self._url = url
        self._owner = owner
        self._needs = needs
        self._pooled = pooled
        # Opens the own pool. Reports that come meanwhile wait for the same attempt, and fail with it.
        self._opening: asyncio.Task[Database] | None = None
        self._shared = asyncio.Semaphore(SHARED)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Open a transaction that only reads, all of it in one state of the database.

        Raises Failure REFUSED (REPORT_TOO_SLOW) for a statement that is canceled because of its time, and
        UNAVAILABLE (REPORTS_DATABASE_UNAVAILABLE) if the reports' own server can't be reached.
        """
        database = await self._database()
        try:
            async with (
                self._shared if self._url is None else nullcontext(),
                database.reports() as connection,
            ):
                yield connection
        except Failure as failure:
            if failure.reason != db_errors.SLOW:
                raise
            raise Failure(
                Kind.REFUSED,
                TOO_SLOW,
                f"The report took longer than {REPORT_TIMEOUT} seconds, so it was stopped; request a shorter"
                " range, fewer groups, or the time zone of the shop",
            ) from None

    async def _database(self) -> Database:
        if self._url is None:
            return self._main
        opening = self._opening
        if opening is None or (opening.done() and not _is_open(opening)):
            self._opening = opening = asyncio.create_task(self._open(self._url))
        # A cancelled report must not cancel the attempt for the others.
        return await asyncio.shield(opening)

    async def _open(self, url: str) -> Database:
        # Opened by the first report: no other work depends on this server.
        stop = asyncio.Event()
        timer = asyncio.get_running_loop().call_later(PATIENCE, stop.set)
        try:
            return await Database.open(
                url,
                owner=self._owner,
                needs=self._needs,
                stop=stop,
                size=SIZE,
                pooled=self._pooled,
                name=f"{self._owner}_reports",
            )
        except (Stopped, StartError) as error:
            if isinstance(error, StartError):  # the setting is wrong
                episodes.record(
                    "the database of reports can't be opened",
                    "the database of reports can't be opened: %s",
                    error,
                    level=logging.ERROR,
                )
            raise Failure(
                Kind.UNAVAILABLE,
                "REPORTS_DATABASE_UNAVAILABLE",
                "The database of reports can't be reached; try again soon",
            ) from None
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Close the own pool."""
        if self._opening is not None:
            await asyncio.wait({self._opening})
            if _is_open(self._opening):
                await self._opening.result().close()


def _is_open(opening: "asyncio.Task[Database]") -> bool:
    return not opening.cancelled() and opening.exception() is None
