"""Database sessions: no row is visible by default, and claims end with their transaction."""

import asyncio
import socket
from collections.abc import AsyncIterator
from types import MappingProxyType
from uuid import uuid4

import asyncpg
import pytest

from kit.auth.sessions import ANONYMOUS, Role, Session
from kit.db import pool
from kit.db.database import Database, savepoint
from kit.errors import Failure, Kind, Stopped
from tests.fixtures.patience import PATIENCE, until
from tests.fixtures.postgres import Databases

READ_CLAIMS = "select nullif(current_setting('request.jwt.claims', true), '') as claims"
COUNT = "select count(*) from webhooks.inbox"


def customer() -> Session:
    user = uuid4()
    claims = MappingProxyType({"sub": str(user), "role": "authenticated"})
    return Session(Role.CUSTOMER, user, claims, "token", None)


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    # Every transaction gets the same connection.
    async with databases.open("webhooks", size=1) as opened:
        yield opened


async def test_a_database_session_has_the_role_and_user_of_its_claims(database: Database) -> None:
    session = customer()
    async with database.session(session) as connection:
        assert await connection.fetchval("select auth.uid()") == session.user_id
        assert await connection.fetchval("select current_user") == "webhooks_user"


async def test_user_metadata_of_a_token_does_not_reach_the_database(
    database: Database,
) -> None:
    """jsonb refuses a NUL, so every query of such a user would fail."""
    claims = {"sub": str(uuid4()), "user_metadata": {"name": "\0", "role": "admin"}}
    async with database.session(Session(Role.CUSTOMER, None, claims, "t", None)) as connection:
        assert await connection.fetchval("select auth.jwt() ? 'user_metadata'") is False


async def test_claims_reach_the_database_exactly_whatever_their_characters(
    database: Database,
) -> None:
    """The statement that sets them has no parameters."""
    name = "'; reset role; --\\' \\\\ \" \u0027 é 😀\n"
    claims = {"sub": str(uuid4()), "app_metadata": {"name": name}}
    for strings in ("on", "off"):
        async with database._pool.acquire() as connection:
            await connection.execute(f"set standard_conforming_strings = {strings}")
        async with database.session(Session(Role.CUSTOMER, None, claims, "t", None)) as connection:
            seen = "select auth.jwt() -> 'app_metadata' ->> 'name'"
            assert await connection.fetchval(seen) == name
            assert await connection.fetchval("select current_user") == "webhooks_user"


async def test_a_snapshot_sees_one_state_and_writes_nothing(
    database: Database, databases: Databases
) -> None:
    insert = """
    insert into webhooks.inbox (digest, body, headers, event_type, signed)
    values (sha256(''), '', '{}', 'unknown', true)
    """
    async with database.system(snapshot=True) as connection:
        assert await connection.fetchval(COUNT) == 0
        await databases.admin.execute(insert)
        assert await connection.fetchval(COUNT) == 0
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute(insert)
    async with database.system() as connection:
        assert await connection.fetchval(COUNT) == 1


async def test_transactions_wait_for_each_others_named_locks(
    database: Database, databases: Databases
) -> None:
    name = 'a customer\'s "lock"'
    held = "select count(*) from pg_locks where locktype = 'advisory' and granted"
    async with databases.open("webhooks") as other:
        async with database.system(locks=[name]), other.system(locks=["another"]):
            waiting = asyncio.ensure_future(_backend(other, name))
            while not await databases.admin.fetchval(f"{held[:-7]}not granted"):
                await asyncio.sleep(0.01)
            assert await databases.admin.fetchval(held) == 2
        await waiting
    assert await databases.admin.fetchval(held) == 0


async def _backend(database: Database, lock: str) -> int:
    async with database.system(locks=[lock]) as connection:
        return int(await connection.fetchval("select pg_backend_pid()"))


async def test_a_transaction_that_is_cancelled_while_it_waits_for_a_lock_leaves_nothing(
    database: Database, databases: Databases
) -> None:
    async with databases.open("webhooks") as other, other.system(locks=["one"]):
        waiting = asyncio.ensure_future(_backend(database, "one"))
        while not await databases.admin.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        ):
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        # The only connection of the pool.
        async with database.session(ANONYMOUS) as connection:
            assert await connection.fetchval("select auth.uid()") is None


async def test_a_savepoint_undoes_only_its_statements(database: Database) -> None:
    async with database.system() as connection:
        await connection.execute("create temporary table numbers (n int) on commit drop")
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with savepoint(connection):
                async with savepoint(connection):
                    await connection.execute("insert into numbers values (1)")
                await connection.execute("insert into numbers select 1/0")
        async with savepoint(connection):
            await connection.execute("insert into numbers values (2)")
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with savepoint(connection):
                    await connection.execute("insert into numbers select 3/0")
        assert await connection.fetchval("select array_agg(n) from numbers") == [2]


async def test_claims_and_role_do_not_survive_on_the_pooled_connection(database: Database) -> None:
    async with database.session(customer()) as connection:
        backend = await connection.fetchval("select pg_backend_pid()")
    async with database.session(ANONYMOUS) as connection:
        assert await connection.fetchval("select pg_backend_pid()") == backend
        assert await connection.fetchval("select auth.uid()") is None
        assert await connection.fetchval("select auth.jwt() ->> 'sub'") is None
    async with database._pool.acquire() as connection:
        assert await connection.fetchval(READ_CLAIMS) is None
        assert await connection.fetchval("select current_user") == "webhooks_service"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval(COUNT)


async def test_a_failed_transaction_leaves_no_claims(database: Database) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with database.session(customer()) as connection:
            await connection.execute("select 1/0")
    async with database.session(ANONYMOUS) as connection:
        assert await connection.fetchval("select auth.uid()") is None


async def test_a_start_waits_until_the_migration_is_applied(
    databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    await databases.admin.execute(
        "delete from migrations.applied where name = '005_create_webhook_inbox'"
    )
    stop = asyncio.Event()
    opening = asyncio.ensure_future(
        Database.open(
            databases.url("webhooks"), owner="webhooks", needs="005_create_webhook_inbox", stop=stop
        )
    )
    while "run `make migrate`" not in caplog.text:
        await asyncio.sleep(0.01)
    await databases.admin.execute(
        "insert into migrations.applied (name, digest) values ('005_create_webhook_inbox', '')"
    )
    await (await opening).close()


async def test_a_waiting_start_can_be_stopped(caplog: pytest.LogCaptureFixture) -> None:
    stop = asyncio.Event()
    opening = asyncio.ensure_future(
        Database.open(
            "postgresql://nobody@127.0.0.1:1/none", owner="webhooks", needs="x", stop=stop
        )
    )
    while "cannot reach PostgreSQL at 127.0.0.1" not in caplog.text:
        await asyncio.sleep(0.01)
    stop.set()
    with pytest.raises(Stopped):
        await opening


async def test_a_start_at_a_server_that_does_not_answer_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "CONNECT_TIMEOUT", 2 * PATIENCE)
    stop = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        opening = asyncio.ensure_future(Database.open(url, owner="webhooks", needs="x", stop=stop))
        accepted, _ = await asyncio.to_thread(silent.accept)
        with accepted:
            stop.set()
            with pytest.raises(Stopped):
                await asyncio.wait_for(opening, PATIENCE)


async def test_a_server_that_does_not_answer_is_named_while_a_start_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "CONNECT_TIMEOUT", 0.1)
    stop = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        opening = asyncio.ensure_future(Database.open(url, owner="webhooks", needs="x", stop=stop))
        await until(lambda: "waiting: " in caplog.text)
        stop.set()
        with pytest.raises(Stopped):
            await opening
    assert "cannot reach PostgreSQL at 127.0.0.1: it does not answer" in caplog.text


async def test_a_lost_server_is_unavailable_and_recovers(
    database: Database, databases: Databases
) -> None:
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1"
    with pytest.raises(Failure) as caught:
        async with database.session(ANONYMOUS) as connection:
            await databases.admin.fetch(kill, "webhooks_service")
            await connection.fetchval(COUNT)
    assert caught.value.kind is Kind.UNAVAILABLE
    async with database.system() as connection:
        assert await connection.fetchval(COUNT) == 0


async def test_connections_cut_at_any_moment_only_cause_unavailable(
    database: Database, databases: Databases
) -> None:
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1"
    outcomes: list[Kind] = []

    enough = asyncio.Event()

    async def work() -> None:
        while not enough.is_set():
            try:
                async with database.system() as connection:
                    await connection.fetchval(COUNT)
            except Failure as failure:
                outcomes.append(failure.kind)

    async def cut() -> None:
        async with asyncio.timeout(PATIENCE):
            cuts = 0
            while cuts < 20 or not outcomes:
                await databases.admin.fetch(kill, "webhooks_service")
                cuts += 1
        enough.set()

    await asyncio.gather(cut(), *(work() for _ in range(30)))
    assert set(outcomes) == {Kind.UNAVAILABLE}
