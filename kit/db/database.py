"""Connections to one owner's tables: each is opened for a session, and sees only what that may see."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from kit.auth.sessions import Role, Session
from kit.db import errors as db_errors
from kit.db import startup_errors
from kit.db.health import Writes
from kit.db.metrics import Metrics
from kit.db.tracing import traced
from kit.errors import Failure, Kind, StartError, Stopped
from kit.logs.episodes import Episodes

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Generic in its types only; other modules write it in annotations that are evaluated.
if TYPE_CHECKING:
    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
else:
    Connection = PoolConnectionProxy
# States that pass by themselves while a process waits for its database.
PASSING = (
    *db_errors.LOST,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
)
# A value that a column, a constraint or an index refuses: the fault of one row, not of the statement.
ROW_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
# Seconds. A statement over it is a bug or an overloaded server; nobody waits so long for an answer.
STATEMENT_TIMEOUT = 20
# Prepared statements kept on a connection; no process has nearly as many.
MAX_PREPARED_STATEMENTS = 100
# Seconds between attempts while the server is awaited at start.
RETRY_EVERY = 1.0

# What policies read. A token's other claims may hold what its user wrote, even what jsonb refuses.
CLAIMS = ("sub", "role", "app_metadata")

# One statement does both, so a session costs one round trip. Both end with the transaction.
BEGIN_SESSION = "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)"
# What runs when the transaction of this context has committed; None outside of one.
_after_commit: ContextVar[list[Callable[[], None]] | None] = ContextVar(
    "after_commit", default=None
)
END_IF_IDLE = "set local idle_in_transaction_session_timeout = '1s'"
TRY_WRITE = "insert into {}.write_trials (filler) values ($1)"
TRIAL = "." * 6_000  # of a page's 8,192 bytes, so that each needs a page of its own
MIGRATION_APPLIED = "select exists (select from migrations.applied where name = $1)"


def after_commit(act: Callable[[], None]) -> None:
    """Runs `act` once the transaction that is open here has committed; never when it is rolled back.

    Without an open transaction it runs at once.
    """
    waiting = _after_commit.get()
    if waiting is None:
        act()
    else:
        waiting.append(act)


class Database:
    """A pool for one owner (catalogue, orders, ...), whose login may only take two roles.

    `<owner>_user` sees what row security lets the session's claims see; `<owner>_system` sees all
    rows of the owner. The login itself has no rights on any table.
    """

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", owner: str, *, pooled: bool = False
    ) -> None:
        self._pool = pool
        self._pooled = pooled
        self._owner = owner
        self._metrics = Metrics(pool, owner)
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
    ) -> "Database":
        """Waits, with a log line, until the server answers and the migration `needs` is applied.

        `pooled` says that the address is a pooler's which lends a connection for each transaction, so
        that no statement is kept prepared on one. Raises Stopped when `stop` is set before that,
        and StartError for an address that can't be one.
        """
        where = urlsplit(url)
        told = ""
        while not stop.is_set():
            try:
                return await cls._try_open(url, owner, needs, size, pooled=pooled)
            except startup_errors.UNFIT as error:
                raise StartError(
                    f"{owner.upper()}_DATABASE_URL can't be used: {type(error).__name__}"
                ) from error
            except (
                *PASSING,
                asyncpg.InvalidAuthorizationSpecificationError,
                asyncpg.InvalidCatalogNameError,
                startup_errors.MigrationMissingError,
                asyncpg.UndefinedTableError,
                asyncpg.InsufficientPrivilegeError,
            ) as error:
                reason = startup_errors.why_not(owner, where.hostname or where.query, error)
            if reason != told:  # once for each cause, not every second
                logger.warning("waiting: %s", reason)
                told = reason
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_EVERY)
        raise Stopped

    @classmethod
    async def _try_open(
        cls, url: str, owner: str, needs: str, size: int, *, pooled: bool
    ) -> "Database":
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            command_timeout=STATEMENT_TIMEOUT,
            server_settings={"application_name": f"esimgo-{owner}"},
            init=_init_connection,
            connection_class=TracedConnection,
            statement_cache_size=0 if pooled else MAX_PREPARED_STATEMENTS,
        )
        try:
            applied = await pool.fetchval(MIGRATION_APPLIED, needs)
        except BaseException:
            await pool.close()
            raise
        if not applied:
            await pool.close()
            raise startup_errors.MigrationMissingError(needs)
        return cls(pool, owner, pooled=pooled)

    @asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[Connection]:
        """A transaction that sees what the session may see; the service role key is a system one."""
        role = "system" if session.role is Role.SERVICE else "user"
        async with self._transaction(role, session.claims) as connection:
            yield connection

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Connection]:
        """A transaction for work that no customer asked for: sync, recovery, delivery."""
        async with self._transaction("system", {}) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, role: str, claims: Mapping[str, Any]) -> AsyncIterator[Connection]:
        asked = time.perf_counter()
        outer, acts = _after_commit.get(), list[Callable[[], None]]()
        try:
            async with self._pool.acquire() as connection:
                self._metrics.waited(time.perf_counter() - asked)
                async with connection.transaction():
                    seen = json.dumps({name: claims[name] for name in CLAIMS if name in claims})
                    await connection.fetchrow(BEGIN_SESSION, f"{self._owner}_{role}", seen)
                    _after_commit.set(acts)
                    yield connection
                # Committed; a connection that is lost from here on changes nothing about it.
                for act in acts:
                    act()
        except Exception as error:
            self._raise_known(error)
            raise
        finally:
            _after_commit.set(outer)

    def _raise_known(self, error: Exception) -> None:
        """Raise Failure UNAVAILABLE for a state of the database that is no fault of the statement."""
        reason = db_errors.reason_of(error)
        if reason is None:
            return
        self._metrics.failed(error, reason)
        self.writes.failed(reason)
        what = reason.replace("_", " ").lower()
        episodes.record(what, f"{what}: %s", str(error) or type(error).__name__)
        raise db_errors.failure_of(reason) from error

    async def try_write(self) -> None:
        """Write a row of this owner's and take it back; raises what keeps rows from being written."""
        with suppress(_TakenBackError):
            async with self.system() as connection:
                await connection.execute(TRY_WRITE.format(self._owner), TRIAL)
                raise _TakenBackError

    async def call(self, statement: str, *arguments: Any) -> Any:
        """The value of one statement that the login itself may make, in no session.

        It is committed at once, so no lock that it takes is held by a process that hangs. A pooler
        lends one connection for both steps of a statement only within a transaction: there the
        server ends one that stays open.
        """
        try:
            if not self._pooled:
                return await self._pool.fetchval(statement, *arguments)
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(END_IF_IDLE)
                return await connection.fetchval(statement, *arguments)
        except Exception as error:
            self._raise_known(error)
            if isinstance(error, asyncpg.PostgresError):  # not granted, or not migrated yet
                raise Failure(Kind.UNAVAILABLE, "STATEMENT_REFUSED", str(error)) from error
            raise

    async def close(self) -> None:
        """Waits for running transactions, then closes every connection."""
        await self._pool.close()


BASE: Any = asyncpg.Connection  # its hints are overloads, which no wrapping keeps


class TracedConnection(BASE):  # type: ignore[misc]  # hence of any type
    """A connection whose statements show in traces."""

    execute = traced(BASE.execute)
    executemany = traced(BASE.executemany)
    fetch = traced(BASE.fetch)
    fetchrow = traced(BASE.fetchrow)
    fetchval = traced(BASE.fetchval)


class _TakenBackError(Exception):
    """Rolls a trial back."""


async def _init_connection(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )
