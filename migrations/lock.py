"""The lock that serializes runs of the migrations, and the check that a connection can hold it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg

logger = logging.getLogger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# An arbitrary number, the same in all versions.
LOCK = 7_362_019_540
APPLICATION = "esimgo-migrations"
# Seconds between two attempts to get the lock, and between two log lines about its holder.
ATTEMPT_EVERY = 0.5
LOG_EVERY = 15.0
# How many times two connections compare their server sessions.
COMPARISONS = 10

# pg_locks shows the bigint key in two halves.
HOLDER = """
select l.pid, a.usename, a.application_name, a.client_addr, a.backend_start, a.state, a.state_change
from pg_locks l left join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
    and l.database = (select oid from pg_database where datname = current_database())
    and l.classid = ($1::bigint >> 32)::oid and l.objid = ($1::bigint & 4294967295)::oid
"""
# Errors of a statement that was prepared in another server session.
ELSEWHERE = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)


class LockedError(Exception):
    """Another session held the lock for too long; the text says which one, and how to end it."""


class PoolerError(Exception):
    """The URL is that of a pooler in transaction mode."""

    def __init__(self) -> None:
        super().__init__(
            "DATABASE_URL is the address of a connection pooler in transaction mode, where the lock of the"
            " migrations would stay behind: use the address of PostgreSQL itself, or of the pooler in"
            " session mode (Supabase: port 5432, not 6543)"
        )


async def require_own_session(
    connection: Connection, connect: Callable[[], Awaitable[Connection]]
) -> None:
    """Raise PoolerError unless the connection has its own server session.

    A pooler in transaction mode assigns the same session to two connections, or several to one.
    """
    try:
        other = await connect()
    except (asyncpg.PostgresError, OSError, TimeoutError):
        return  # no second connection is available, so none shares the session
    try:
        ours, others = set[int](), set[int]()
        for _ in range(COMPARISONS):
            # Twice, because a pooler may assign its sessions in turn.
            ours.add(await connection.fetchval("select pg_backend_pid()"))
            ours.add(await connection.fetchval("select pg_backend_pid()"))
            others.add(await other.fetchval("select pg_backend_pid()", timeout=ATTEMPT_EVERY))
            if ours & others or len(ours) > 1 or len(others) > 1:
                raise PoolerError
    except ELSEWHERE as error:
        raise PoolerError from error
    except TimeoutError:
        return  # a pooler in session mode without a second session
    finally:
        other.terminate()


async def take(connection: Connection, patience: float) -> None:
    """Wait for the lock, and log its holder. Raises LockedError after `patience` seconds.

    The lock is released when the connection closes, even if this process crashes.
    """
    loop = asyncio.get_running_loop()
    began, logged_at = loop.time(), float("-inf")
    while not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
        pid, holder = await _holder(connection)
        if loop.time() - began >= patience:
            raise LockedError(
                f"waited {patience:.0f} s for the lock of the migrations, which {holder} holds;"
                " if no other run is at work, end that session, and run this again:"
                f" select pg_terminate_backend({pid})"
            )
        if loop.time() - logged_at >= LOG_EVERY:
            logger.warning(
                "waiting for the migration lock, which %s holds; giving up in %.0f s",
                holder,
                patience - (loop.time() - began),
            )
            logged_at = loop.time()
        await asyncio.sleep(min(ATTEMPT_EVERY, patience))


async def _holder(connection: Connection) -> tuple[str, str]:
    """Return the process id and a description of the session that holds the lock."""
    row = await connection.fetchrow(HOLDER, LOCK)
    if row is None:
        return "PID", "a session that just ended"
    parts = [f"{row['usename'] or 'another user'}"]
    if row["application_name"]:
        parts.append(f"application {row['application_name']}")
    parts.append(f"from {row['client_addr'] or 'this machine'}")
    if row["backend_start"]:
        parts.append(f"connected since {row['backend_start']:%Y-%m-%d %H:%M:%S} UTC")
    if row["state"]:
        parts.append(f"{row['state']} since {row['state_change']:%H:%M:%S}")
    return str(row["pid"]), f"session {row['pid']} ({', '.join(parts)})"
