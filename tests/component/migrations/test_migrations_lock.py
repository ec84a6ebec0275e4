"""Only one migration run at a time: which runs wait, for how long, and through which poolers."""

import asyncio
import os
import re
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from migrations import files, lock, runner
from migrations.files import Migration
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.programs.pooler import pooler

ROOT = Path(__file__).parents[3]


async def locks(databases: Databases) -> int:
    """Count the sessions that hold an advisory lock in the test's database."""
    return int(
        await databases.admin.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and database ="
            " (select oid from pg_database where datname = current_database())"
        )
    )


@pytest.mark.parametrize(
    ("lent", "more"),
    [(1, ""), (5, ""), (2, "server_round_robin = 1"), (5, "server_round_robin = 1")],
)
async def test_a_pooler_in_transaction_mode_is_refused_and_leaves_no_lock(
    databases: Databases, lent: int, more: str
) -> None:
    async with pooler(databases, lent=lent, more=more) as server:
        busy = [await asyncpg.connect(server.url(databases.name)) for _ in range(lent)]
        await asyncio.gather(*(one.execute("select pg_sleep(0.05)") for one in busy))
        with pytest.raises(lock.PoolerError, match="connection pooler in transaction mode"):
            await runner.migrate(server.url(databases.name))
        for one in busy:
            await one.close()
        assert await locks(databases) == 0
    assert await runner.migrate(databases.admin_url) == []


async def test_a_pooler_in_statement_mode_is_refused(databases: Databases) -> None:
    async with pooler(databases, lent=2, mode="statement") as server:
        with pytest.raises(lock.PoolerError):
            await runner.migrate(server.url(databases.name))


@pytest.mark.parametrize("lent", [1, 5])
async def test_a_pooler_in_session_mode_is_accepted(databases: Databases, lent: int) -> None:
    async with pooler(databases, lent=lent, mode="session") as server:
        assert await runner.migrate(server.url(databases.name)) == []


@pytest.fixture
async def holder(databases: Databases) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A session of an earlier run that still holds the lock."""
    connection = await asyncpg.connect(
        databases.admin_url, server_settings={"application_name": "left behind"}
    )
    await connection.execute("select pg_advisory_lock($1)", lock.LOCK)
    yield connection
    await connection.close()


async def test_a_run_names_the_lock_holder_and_gives_up_after_the_timeout(
    databases: Databases,
    holder: "asyncpg.Connection[asyncpg.Record]",
    caplog: pytest.LogCaptureFixture,
) -> None:
    pid = holder.get_server_pid()
    with pytest.raises(lock.LockedError) as caught:
        await runner.migrate(databases.admin_url, patience=0.1)
    text = str(caught.value)
    assert f"session {pid} (postgres, application left behind, from this machine" in text
    assert re.search(r"connected since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, idle since", text)
    assert f"select pg_terminate_backend({pid})" in text
    [line] = caplog.messages
    assert line.startswith("waiting for the migration lock, which session")


async def test_a_run_continues_as_soon_as_the_lock_is_free(
    databases: Databases,
    holder: "asyncpg.Connection[asyncpg.Record]",
    caplog: pytest.LogCaptureFixture,
) -> None:
    waiting = asyncio.create_task(runner.migrate(databases.admin_url))
    async with asyncio.timeout(PATIENCE):
        while not caplog.messages:
            await asyncio.sleep(0.01)
        # As the message of the run that gave up says.
        await databases.admin.execute("select pg_terminate_backend($1)", holder.get_server_pid())
        assert await waiting == []


async def test_the_command_ends_with_a_message(
    databases: Databases, holder: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async def run(url: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "migrations"),
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": url, "MIGRATIONS_WAIT_SECONDS": "0"},
            stderr=asyncio.subprocess.PIPE,
        )
        _, output = await process.communicate()
        assert process.returncode == 1
        return output.decode()

    assert "not migrated: waited 0 s for the lock" in await run(databases.admin_url)
    async with pooler(databases, lent=2) as server:
        output = await run(server.url(databases.name))
    assert "not migrated: DATABASE_URL is the address of a connection pooler" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("arguments", [("--help",), ("sed",), ("seed", "twice")])
async def test_other_arguments_are_refused_before_anything_is_migrated(
    databases: Databases, arguments: tuple[str, ...]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "migrations", *arguments),
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": databases.admin_url},
        stderr=asyncio.subprocess.PIPE,
    )
    _, output = await process.communicate()
    assert (process.returncode, output) == (2, b"usage: python -m migrations [seed]\n")


async def test_two_databases_of_one_server_do_not_wait_for_each_other(
    databases: Databases, holder: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    name = f"other_{uuid.uuid4().hex[:12]}"
    await databases.admin.execute(f"create database {name}")
    try:
        done = await runner.migrate(databases.server.url(name), patience=PATIENCE)
        assert done == [migration.name for migration in files.find()]
    finally:
        await databases.admin.execute(f"drop database {name} with (force)")


async def test_readers_of_a_table_in_use_do_not_wait_behind_a_migration(
    databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    change = Migration("900_change_a_table", "alter table orders.esim_orders add column extra text")
    export = await asyncpg.connect(databases.admin_url)
    reader = await asyncpg.connect(databases.admin_url)
    try:
        await export.execute("begin; select from orders.esim_orders limit 1")
        migrating = asyncio.create_task(
            runner.migrate(databases.admin_url, migrations=[*files.find(), change])
        )
        await databases.until("select exists (select from pg_locks where not granted)")
        await reader.execute(f"set lock_timeout = '{PATIENCE}s'")
        await reader.execute("select from orders.esim_orders limit 1")
        async with asyncio.timeout(PATIENCE):
            await export.execute("rollback")
            assert await migrating == [change.name]
    finally:
        await export.close()
        await reader.close()
    assert "900_change_a_table waits for a table that is in use" in caplog.messages[0]


async def test_a_migration_of_a_table_in_use_gives_up_after_the_timeout(
    databases: Databases,
) -> None:
    change = Migration("900_change_a_table", "alter table orders.esim_orders add column extra text")
    async with databases.admin.transaction():
        await databases.admin.execute("select from orders.esim_orders limit 1")
        with pytest.raises(runner.MigrationError, match="900_change_a_table changed nothing"):
            await runner.migrate(
                databases.admin_url, migrations=[*files.find(), change], patience=0.1
            )
    assert await runner.pending(databases.admin_url) == []
