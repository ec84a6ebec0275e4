"""Transactions on one owner's tables, each limited to the rows that its session may see."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from kit.auth.sessions import Role, Session
from kit.db import errors as db_errors
from kit.db.clock import DatabaseClock
from kit.db.health import Writes
from kit.db.metrics import Metrics
from kit.db.pool import open_pool
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

if TYPE_CHECKING:  # generic for the type checker only
    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
else:
    Connection = PoolConnectionProxy
# A column, constraint or index refuses a value: one row is at fault, not the statement.
ROW_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
# Seconds. A report that takes longer would take too much from everything else.
REPORT_TIMEOUT = 5
# Memory of each sort or hash table of a report. With the server's default of 4 MB, long reports would use
# files.
REPORT_MEMORY = "32MB"

# The claims that policies read. Others may contain user input that jsonb refuses.
CLAIMS = ("sub", "role", "app_metadata")

# Sent in one round trip. Both settings end with the transaction, as everything that this class sets: behind a
# pooler in transaction mode, the next transaction may run on another connection.
BEGIN = "begin{isolation}; set local role {owner}_{role}; set local request.jwt.claims to {claims}"
SNAPSHOT = " isolation level repeatable read, read only"
LOCK = "; select pg_advisory_xact_lock(hashtextextended({name}, 0))"
# Callbacks to run after the current transaction commits; None outside of one.
_after_commit: ContextVar[list[Callable[[], None]] | None] = ContextVar(
    "after_commit", default=None
)
END_IF_IDLE = "set local idle_in_transaction_session_timeout = '1s'"
TRY_WRITE = "insert into {}.write_trials (filler) values ($1)"
READ_CLOCK = "select clock_timestamp()"
TRIAL = "." * 6_000  # each row needs its own page of 8,192 bytes


def after_commit(act: Callable[[], None]) -> None:
    """Run `act` after the current transaction commits, but not if it is rolled back.

    Without a transaction, `act` runs immediately.
    """
    pending = _after_commit.get()
    if pending is None:
        act()
    else:
        pending.append(act)


class Database:
    """A connection pool of one owner (catalogue, orders, ...), whose login can only assume two roles.

    `<owner>_user` sees the rows that row security permits for the session's claims, `<owner>_system`
    all rows of the owner. The login itself has no rights on any table.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        owner: str,
        *,
        pooled: bool = False,
        name: str | None = None,
    ) -> None:
        self._pool = pool
        self._pooled = pooled
        self._owner = owner
        self._metrics = Metrics(pool, name or owner)
        self.clock = DatabaseClock()
        self.writes = Writes(self, self._metrics)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        owner: str,
        needs: str,
        stop: asyncio.Event,
        size: int = 10,
        pooled: bool = False,
        name: str | None = None,
    ) -> "Database":
        """Wait until the server responds and the migration `needs` is applied.

        With `pooled`, `url` is that of a pooler in transaction mode, so statements are not prepared. `name`
        tells this pool apart from the owner's main one, in metrics and in the name of its setting.
        Raises Stopped if `stop` is set meanwhile, and StartError for an invalid URL.
        """
        pool = await open_pool(
            url, name=name or owner, needs=needs, stop=stop, size=size, prepare=not pooled
        )
        database = cls(pool, owner, pooled=pooled, name=name)
        with suppress(Failure):  # the next write trial reads it
            requested = database.clock.now()
            database.clock.set(await database.call(READ_CLOCK), requested)
        return database

    def now(self) -> datetime:
        """Return the time by the database's clock."""
        return self.clock.wall()

    @asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[Connection]:
        """Open a transaction that sees the session's rows; the service role key sees all rows."""
        role = "system" if session.role is Role.SERVICE else "user"
        async with self._transaction(role, session.claims) as connection:
            yield connection

    @asynccontextmanager
    async def system(
        self, *, locks: Sequence[str] = (), snapshot: bool = False
    ) -> AsyncIterator[Connection]:
        """Open a transaction that sees all rows, for work without a caller: sync, recovery, delivery.

        With `snapshot`, it only reads, and all its statements see the same state of the database.

        It holds the advisory locks of these names until it ends, and waits for other transactions that hold
        one. Two transactions that take the same locks must name them in the same order.
        """
        isolation = SNAPSHOT if snapshot else ""
        async with self._transaction("system", {}, locks, isolation) as connection:
            yield connection

    @asynccontextmanager
    async def reports(self) -> AsyncIterator[Connection]:
        """Open a transaction of the role `<owner>_reports`, which only reads, and sees what reports need.

        All its statements see the same state of the database. Each is canceled after REPORT_TIMEOUT.
        """
        async with self._transaction("reports", {}, (), SNAPSHOT) as connection:
            # A generic plan would be made for a range of few rows, so each report is planned with its own
            # parameters. Compiling it (jit) would take longer than most reports run.
            await connection.execute(
                f"set local statement_timeout = '{REPORT_TIMEOUT}s';"
                " set local plan_cache_mode = force_custom_plan; set local jit = off;"
                f" set local work_mem = '{REPORT_MEMORY}'"
            )
            yield connection

    @asynccontextmanager
    async def _transaction(
        self,
        role: str,
        claims: Mapping[str, Any],
        locks: Sequence[str] = (),
        isolation: str = "",
    ) -> AsyncIterator[Connection]:
        requested = time.perf_counter()
        outer, acts = _after_commit.get(), list[Callable[[], None]]()
        visible = json.dumps({name: claims[name] for name in CLAIMS if name in claims})
        begin = BEGIN.format(
            isolation=isolation, owner=self._owner, role=role, claims=_literal(visible)
        )
        begin += "".join(LOCK.format(name=_literal(name)) for name in locks)
        try:
            async with self._pool.acquire() as connection:
                self._metrics.waited(time.perf_counter() - requested)
                async with Block(connection, begin, "commit", "rollback"):
                    _after_commit.set(acts)
                    yield connection
                # Committed, even if the connection is lost from here on.
                for act in acts:
                    act()
        except Exception as error:
            self._raise_known(error, reports=role == "reports")
            raise
        finally:
            _after_commit.set(outer)

    def _raise_known(self, error: Exception, *, reports: bool = False) -> None:
        """Raise Failure UNAVAILABLE if the state of the database caused the error.

        A report may exceed its time or the disk's space for sorting while everything else works.
        """
        reason = db_errors.reason_of(error)
        if reason is None:
            return
        if not (reports and reason == db_errors.SLOW):
            self._metrics.failed(error, reason)
        if not reports:
            self.writes.failed(reason)
        what = reason.replace("_", " ").lower()
        # The first line: PostgreSQL's details and hints would follow on lines of their own.
        text = str(error).partition("\n")[0] or type(error).__name__
        episodes.record(what, f"{what}: %s", text)
        raise db_errors.failure_of(reason) from error

    async def try_write(self) -> None:
        """Insert a row and roll back; raises the error if the database does not accept writes.

        It reads the database's clock too.
        """
        with suppress(_RollbackError):
            async with self.system() as connection:
                requested = self.clock.now()
                self.clock.set(await connection.fetchval(READ_CLOCK), requested)
                await connection.execute(TRY_WRITE.format(self._owner), TRIAL)
                raise _RollbackError

    async def call(self, statement: str, *arguments: Any) -> Any:
        """Run one statement as the login itself, without a session, and return its value.

        It commits immediately, so a process that hangs never holds its locks. A pooler in transaction mode
        needs a transaction around the statement, which the server ends if it stays open.
        """
        try:
            if not self._pooled:
                return await self._pool.fetchval(statement, *arguments)
            async with (
                self._pool.acquire() as connection,
                Block(connection, f"begin; {END_IF_IDLE}", "commit", "rollback"),
            ):
                return await connection.fetchval(statement, *arguments)
        except Exception as error:
            self._raise_known(error)
            if isinstance(error, asyncpg.PostgresError):  # no permission, or not migrated yet
                raise Failure(Kind.UNAVAILABLE, "STATEMENT_REFUSED", str(error)) from error
            raise

    async def close(self) -> None:
        """Wait for running transactions, then close every connection."""
        await self._pool.close()


class Block:
    """A transaction or savepoint: statements that begin it, and that end it with and without an error.

    Unlike asyncpg's, it begins with any statements in one round trip.
    """

    def __init__(self, connection: Connection, begin: str, commit: str, rollback: str) -> None:
        self._connection = connection
        self._begin = begin
        self._commit = commit
        self._rollback = rollback

    async def __aenter__(self) -> None:
        try:
            await self._connection.execute(self._begin)
        except BaseException:
            await self._undo()
            raise

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._connection.execute(self._commit)
        else:
            await self._undo()

    async def _undo(self) -> None:
        # A lost connection has no transaction, and the pool ends that of a released one.
        with suppress(asyncpg.InterfaceError):
            await self._connection.execute(self._rollback)


def savepoint(connection: Connection) -> Block:
    """Return a block that undoes its statements if it raises, and leaves the transaction usable."""
    # PostgreSQL allows nested savepoints of one name.
    undo = "rollback to savepoint block; release savepoint block"
    return Block(connection, "savepoint block", "release savepoint block", undo)


def _literal(text: str) -> str:
    """Quote an ASCII text for SQL; statements of the simple protocol have no parameters."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


class _RollbackError(Exception):
    """Rolls back the transaction of a write trial."""
