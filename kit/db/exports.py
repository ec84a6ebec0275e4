"""Streams the rows of one read-only transaction, with bounded memory and time."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from kit.auth.sessions import SUFFICIENT, Role
from kit.db import errors as db_errors
from kit.db.database import Connection
from kit.db.reports import TOO_SLOW, ReportsDatabase
from kit.errors import Failure, Kind
from kit.reports.exports import Wanted
from kit.rpc import guard as rpc_guard
from protos.common.v1 import exports_pb2 as pb

logger = logging.getLogger(__name__)

T = TypeVar("T")
# Makes the messages of an export, in its transaction.
Read: TypeAlias = Callable[[Connection], AsyncGenerator[T, None]]
Head: TypeAlias = Callable[[Connection], Awaitable[pb.ExportHead]]
# Yields batches of translated rows.
Batches: TypeAlias = Callable[[Connection], AsyncIterator[list[Any]]]

# Rows of one message. Translating them takes the event loop some 10 ms, for which all other calls wait.
BATCH = 250
# Timeout in seconds of one statement, which returns one batch of rows.
STEP_TIMEOUT = 15
# Seconds. The server ends a transaction of a process that hangs.
IDLE_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the exports of one process. One of the `concurrent` ones is only for the staff.

    An export holds a connection and a snapshot of the database, which keeps old versions of rows from being
    removed. So it ends after `longest` seconds, or if its caller takes no message for `patience` seconds.
    """

    concurrent: int = 3
    longest: float = 900.0
    patience: float = 30.0
    # Messages that are read before the caller takes them.
    ahead: int = 2


DEFAULTS = Limits()


class Exports:
    """Makes exports, each in a transaction that ends with it, whatever its caller does."""

    def __init__(self, database: ReportsDatabase, limits: Limits = DEFAULTS) -> None:
        self._database = database
        self._limits = limits
        self._running = 0

    async def stream(self, read: Read[T], *, staff: bool = True) -> AsyncGenerator[T, None]:
        """Yield the messages that `read` makes. Close it as soon as it is not needed any more.

        `staff` is false for members of organizations, who leave one export to the staff.
        Raises Failure EXHAUSTED (EXPORTS_BUSY, EXPORT_READ_TOO_SLOWLY), REFUSED (EXPORT_TOO_LONG,
        EXPORT_TOO_SLOW), and UNAVAILABLE (EXPORT_INTERRUPTED, and as reports do).
        """
        if self._running >= self._limits.concurrent - (not staff):
            raise Failure(
                Kind.EXHAUSTED,
                "EXPORTS_BUSY",
                f"{self._running} exports are running, the maximum; try again when one ends",
                retry_after=10,
            )
        self._running += 1
        buffer = _Buffer[T](self._limits)
        # A task of its own, so that the transaction ends while the caller is not reading.
        reading = asyncio.create_task(self._read(read, buffer))
        try:
            while (message := await buffer.take()) is not None:
                yield message
            await reading
        finally:
            try:
                reading.cancel()
                await asyncio.wait({reading})
                if not reading.cancelled():
                    reading.exception()  # otherwise asyncio logs that no one has read it
            finally:
                self._running -= 1

    async def _read(self, read: Read[T], buffer: "_Buffer[T]") -> None:
        try:
            async with (
                asyncio.timeout(self._limits.longest),
                self._database.snapshot() as connection,
            ):
                await connection.execute(
                    f"set local statement_timeout = '{STEP_TIMEOUT}s';"
                    f" set local idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}s'"
                )
                async with aclosing(read(connection)) as messages:
                    async for message in messages:
                        await buffer.put(message)
        except TimeoutError:
            raise Failure(
                Kind.REFUSED,
                "EXPORT_TOO_LONG",
                f"The export took longer than {self._limits.longest:.0f} seconds, so it was stopped; export a"
                " shorter range, or read it faster",
            ) from None
        except Failure as failure:
            raise _known(failure) from None
        finally:
            buffer.end()


def _known(failure: Failure) -> Failure:
    """Convert a failure of the transaction to one of the export."""
    if failure.reason == TOO_SLOW:
        return Failure(
            Kind.REFUSED,
            "EXPORT_TOO_SLOW",
            f"A step of the export took longer than {STEP_TIMEOUT} seconds, so it was stopped; export a"
            " shorter range",
        )
    if failure.reason == db_errors.CONFLICT:
        return Failure(
            Kind.UNAVAILABLE,
            "EXPORT_INTERRUPTED",
            "The replica of the database stopped the export to apply changes; try again with a shorter range",
        )
    return failure


class _Buffer(Generic[T]):
    """A few messages that wait for the caller."""

    def __init__(self, limits: Limits) -> None:
        self._patience = limits.patience
        self._room = asyncio.Semaphore(limits.ahead)
        self._messages: asyncio.Queue[T | None] = asyncio.Queue()

    async def put(self, message: T) -> None:
        """Wait for room; raises Failure EXHAUSTED if there is none in time."""
        try:
            async with asyncio.timeout(self._patience):
                await self._room.acquire()
        except TimeoutError:
            raise Failure(
                Kind.EXHAUSTED,
                "EXPORT_READ_TOO_SLOWLY",
                f"Nothing was read for {self._patience:.0f} seconds, so the export was stopped; export again,"
                " and read without pauses",
            ) from None
        self._messages.put_nowait(message)

    def end(self) -> None:
        self._messages.put_nowait(None)

    async def take(self) -> T | None:
        """Return the next message; None at the end."""
        message = await self._messages.get()
        self._room.release()
        return message


async def rows(
    connection: Connection, cursor: str, query: str, *arguments: Any
) -> AsyncIterator[list[Any]]:
    """Yield the rows of a query in batches, through a cursor on the server.

    `cursor` is the name of the cursor. Queries with different columns need different names, because prepared
    statements are found by their text, which contains this name.
    """
    await connection.execute(f"declare {cursor} no scroll cursor for {query}", *arguments)
    found = True
    while found:
        batch = await connection.fetch(f"fetch {BATCH} from {cursor}")
        if batch:
            yield batch
        found = len(batch) == BATCH
    await connection.execute(f"close {cursor}")


async def messages(
    exporting: Exports, kind: str, response: Any, wanted: Wanted, head: Head, batches: Batches
) -> AsyncGenerator[Any, None]:
    """Yield the messages of an export, and log who got how many rows of what."""

    async def read(connection: Connection) -> AsyncGenerator[Any, None]:
        yield response(head=await head(connection))
        async for batch in batches(connection):
            yield response(rows=batch)

    exported, outcome = 0, "broken off"
    staff = rpc_guard.session().role in SUFFICIENT[Role.FINANCE]
    try:
        async with aclosing(exporting.stream(read, staff=staff)) as found:
            async for message in found:
                exported += len(message.rows)
                yield message
        outcome = "done"
    finally:
        logger.info(
            "export of %s from %s to %s%s by %s: %d rows, %s",
            kind,
            wanted.days.first,
            wanted.days.last,
            f" of organization {wanted.organization_id}" if wanted.organization_id else "",
            rpc_guard.session().user_id or "service",
            exported,
            outcome,
        )
