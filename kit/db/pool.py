"""Connection pools: they open once the database is there and migrated, and trace their statements."""

import asyncio
import json
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from kit.db import errors as db_errors
from kit.db import startup_errors
from kit.db.tracing import traced
from kit.errors import StartError, Stopped

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Errors after which a starting process waits and tries again, because the database may recover.
TRANSIENT = (*db_errors.LOST, asyncpg.InsufficientResourcesError, asyncpg.OperatorInterventionError)
# Seconds. A slower statement is a bug or means an overloaded server.
STATEMENT_TIMEOUT = 20
# Prepared statements per connection; no process has nearly as many.
MAX_PREPARED_STATEMENTS = 100
# Seconds until an attempt to connect fails.
CONNECT_TIMEOUT = 10.0
# Seconds between attempts to connect at start.
RETRY_EVERY = 1.0
MIGRATION_APPLIED = "select exists (select from migrations.applied where name = $1)"


async def open_pool(
    url: str, *, name: str, needs: str, stop: asyncio.Event, size: int, prepare: bool
) -> "asyncpg.Pool[asyncpg.Record]":
    """Wait until the server responds and the migration `needs` is applied.

    `name` is in the names of the pool's connections and of its setting. Raises Stopped if `stop` is set
    meanwhile, and StartError for an invalid URL.
    """
    where = urlsplit(url)
    logged = ""
    while not stop.is_set():
        try:
            return await _unless_stopped(_try_open(url, name, needs, size, prepare=prepare), stop)
        except startup_errors.UNFIT as error:
            raise StartError(
                f"{name.upper()}_DATABASE_URL can't be used: {type(error).__name__}"
            ) from error
        except (
            *TRANSIENT,
            asyncpg.InvalidAuthorizationSpecificationError,
            asyncpg.InvalidCatalogNameError,
            startup_errors.MigrationMissingError,
            asyncpg.UndefinedTableError,
            asyncpg.InsufficientPrivilegeError,
            asyncpg.InternalServerError,  # also the code of poolers without a free connection
        ) as error:
            host = where.hostname or where.query
            reason = startup_errors.message_for(name, host, error)
        if reason != logged:
            logger.warning("waiting: %s", reason)
            logged = reason
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RETRY_EVERY)
    raise Stopped


async def _unless_stopped(opening: Coroutine[Any, Any, T], stop: asyncio.Event) -> T:
    """Return the result of `opening`; raise Stopped as soon as `stop` is set, as a server may not answer."""
    task, stopping = asyncio.ensure_future(opening), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Stopped
        return task.result()
    finally:
        task.cancel()
        stopping.cancel()
        await asyncio.wait({task, stopping})


async def _try_open(
    url: str, name: str, needs: str, size: int, *, prepare: bool
) -> "asyncpg.Pool[asyncpg.Record]":
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=CONNECT_TIMEOUT,
        command_timeout=STATEMENT_TIMEOUT,
        server_settings={"application_name": f"esimgo-{name}"},
        init=_init_connection,
        connection_class=TracedConnection,
        statement_cache_size=MAX_PREPARED_STATEMENTS if prepare else 0,
    )
    try:
        applied = await pool.fetchval(MIGRATION_APPLIED, needs)
    except BaseException:
        await pool.close()
        raise
    if not applied:
        await pool.close()
        raise startup_errors.MigrationMissingError(needs)
    return pool


BASE: Any = asyncpg.Connection  # `traced` can't preserve its overloads


class TracedConnection(BASE):  # type: ignore[misc]  # its base is Any
    """A connection that traces its statements, and has no state outside of transactions."""

    def get_reset_query(self) -> str:
        """Return no statement: there are no settings, locks or cursors to reset after a transaction.

        Code that needs any of a session, such as LISTEN, uses a connection that is not from a pool.
        """
        return ""

    execute = traced(BASE.execute)
    executemany = traced(BASE.executemany)
    fetch = traced(BASE.fetch)
    fetchrow = traced(BASE.fetchrow)
    fetchval = traced(BASE.fetchval)


async def _init_connection(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )
