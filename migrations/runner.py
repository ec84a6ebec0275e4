"""Applies missing migrations, each in its own transaction, one runner at a time."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import parse_qs, urlsplit

import asyncpg

from migrations import files, lock
from migrations.files import Migration
from migrations.lock import Connection
from migrations.logins import LOGINS, REPORT_LOGINS

logger = logging.getLogger(__name__)

# Seconds to connect.
PATIENCE = 15
# Seconds to wait for another run; the longest migrations take minutes.
LOCK_PATIENCE = 300.0
# Milliseconds that a statement waits for a lock: all reads and writes of the table queue up behind it.
TABLE_LOCK_TIMEOUT = 2_000
# Seconds until the next attempt, in which those are served.
RETRY_EVERY = 3.0
# Errors because of other transactions on the same tables, such as an export or a backup.
IN_USE = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

CREATE_HISTORY = """
create schema if not exists migrations;
create table if not exists migrations.applied (
    name text primary key,
    digest text not null,
    applied_at timestamptz not null default now()
);
"""
SELECT_APPLIED = "select name, digest from migrations.applied order by name"
INSERT_APPLIED = "insert into migrations.applied (name, digest) values ($1, $2)"


class MigrationError(Exception):
    """A migration failed, or the database and the files don't match; the text says what to do."""


class UnreachableError(Exception):
    """The database is unreachable or refuses the login; the text names it without the password."""


async def migrate(
    url: str,
    passwords: Mapping[str, str] | None = None,
    migrations: Sequence[Migration] | None = None,
    patience: float = LOCK_PATIENCE,
) -> list[str]:
    """Bring the database at `url` up to date, and return the names of the applied migrations.

    The login needs CREATEROLE and the right to create schemas; Supabase's `postgres` has both.
    `passwords` contains passwords to set, by login. Concurrent runs wait for each other.
    Raises MigrationError if an applied file was changed or is missing here, PoolerError for a pooler in
    transaction mode, LockedError if another run takes longer than `patience` seconds, and
    UnreachableError. Each migration waits as long for tables that are in use.
    """
    wanted = files.find() if migrations is None else migrations
    connection = await _connect(url)
    try:
        await lock.require_own_session(connection, partial(_open, url))
        await lock.take(connection, patience)
        await connection.execute(CREATE_HISTORY)
        done = await _missing(connection, wanted)
        for migration in done:
            await _apply(connection, migration, patience)
        await _set_passwords(connection, passwords or {})
        return [migration.name for migration in done]
    finally:
        await connection.close()


async def pending(url: str) -> list[str]:
    """Return the names of the migrations that the database at `url` lacks."""
    connection = await _connect(url)
    try:
        if await connection.fetchval("select to_regclass('migrations.applied')") is None:
            return [migration.name for migration in files.find()]
        return [migration.name for migration in await _missing(connection, files.find())]
    finally:
        await connection.close()


async def try_write(url: str) -> None:
    """Insert a row in each owner's schema and roll back; raises PostgreSQL's error if that fails."""
    connection = await _connect(url)
    try:
        await connection.execute("begin; set local role esimgo_owner")
        for login in LOGINS:
            table = f"{login.removesuffix('_service')}.write_trials"
            await connection.execute(f"insert into {table} (filler) values (repeat('.', 6000))")  # noqa: S608 - of LOGINS
        await connection.execute("rollback")
    finally:
        await connection.close()


async def seed(url: str) -> list[str]:
    """Add the sample data, without changing existing rows."""
    connection = await _connect(url)
    try:
        for sample in files.seeds():
            async with connection.transaction():
                await connection.execute(sample.sql)
        return [sample.name for sample in files.seeds()]
    finally:
        await connection.close()


async def _connect(url: str) -> Connection:
    try:
        return await _open(url)
    except TimeoutError as error:
        raise UnreachableError(_unreachable(url, f"no answer within {PATIENCE} s")) from error
    except (OSError, asyncpg.PostgresError) as error:
        raise UnreachableError(_unreachable(url, str(error))) from error
    except (ValueError, OverflowError, asyncpg.InterfaceError) as error:
        # The texts of these errors may contain a part of the password.
        text = "DATABASE_URL is not an address of PostgreSQL; write / ? # @ in a password as %2F %3F %23 %40"
        raise UnreachableError(text) from error


async def _open(url: str) -> Connection:
    # No statement cache, so that the check for a pooler works.
    return await asyncpg.connect(
        url,
        timeout=PATIENCE,
        statement_cache_size=0,
        server_settings={"application_name": lock.APPLICATION},
    )


def _unreachable(url: str, reason: str) -> str:
    return f"the database at {_place(url)} can't be reached: {reason}"


def _place(url: str) -> str:
    """Return host and port of a URL, unless they may contain a part of an unquoted password."""
    parts = urlsplit(url)
    if "@" in url and "@" not in parts.netloc:
        return "the host of DATABASE_URL"
    host = parts.netloc.rpartition("@")[2]
    return host or ", ".join(parse_qs(parts.query).get("host", ["this machine's own socket"]))


async def _missing(connection: Connection, wanted: Sequence[Migration]) -> list[Migration]:
    applied = {row["name"]: row["digest"] for row in await connection.fetch(SELECT_APPLIED)}
    if unknown := applied.keys() - {migration.name for migration in wanted}:
        raise MigrationError(
            f"the database has migrations that this version lacks: {', '.join(sorted(unknown))};"
            " run the version that made them, or a newer one"
        )
    for migration in wanted:
        if applied.get(migration.name, migration.digest) != migration.digest:
            raise MigrationError(
                f"{migration.name} was changed after it was applied;"
                " restore the file and put the change into a new one"
            )
    return [migration for migration in wanted if migration.name not in applied]


async def _apply(connection: Connection, migration: Migration, patience: float) -> None:
    """Apply one migration; retries for `patience` seconds while other transactions use its tables."""
    loop = asyncio.get_running_loop()
    began, logged = loop.time(), False
    while True:
        try:
            async with connection.transaction():
                await connection.execute(f"set local lock_timeout = {TABLE_LOCK_TIMEOUT}")
                await connection.execute(migration.sql)
                await connection.execute(INSERT_APPLIED, migration.name, migration.digest)
        except IN_USE as error:
            if loop.time() - began >= patience:
                raise MigrationError(
                    f"{migration.name} changed nothing: for {patience:.0f} s other transactions, such as an"
                    f" export or a backup, used its tables ({error}); run this again when they have ended"
                ) from error
            if not logged:
                logger.warning("%s waits for a table that is in use: %s", migration.name, error)
                logged = True
            await asyncio.sleep(min(RETRY_EVERY, patience))
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{migration.name} failed and changed nothing: {error}") from error
        else:
            break
    logger.info("applied %s", migration.name)


async def _set_passwords(connection: Connection, passwords: Mapping[str, str]) -> None:
    if unknown := passwords.keys() - {*LOGINS, *REPORT_LOGINS}:
        raise MigrationError(f"no such logins: {', '.join(sorted(unknown))}")
    for login, password in passwords.items():
        # Utility statements take no parameters, so the server quotes the values.
        statement = await connection.fetchval(
            "select format('alter role %I password %L', $1::text, $2::text)", login, password
        )
        await connection.execute(statement)
