"""A read-only, full or slow database: known error kinds, visible in health, with automatic recovery."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncpg
import pytest

from kit.auth.sessions import ANONYMOUS
from kit.db import errors as db_errors
from kit.db import health as db_health
from kit.db.database import Database
from kit.errors import Failure, Kind, Stopped
from tests.fixtures.patience import PATIENCE, until
from tests.fixtures.postgres import Databases

RAISE = "do $$ begin raise exception 'made up' using errcode = '{}'; end $$"
END = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'orders_service'"


@dataclass
class Subject:
    """One service's database, and ways to disturb it."""

    database: Database
    databases: Databases
    restored: list[str] = field(default_factory=list)

    async def admin(self, statement: str) -> None:
        await self.databases.admin.execute(statement)

    async def read_only(self, *, on: bool) -> None:
        """As after a failover to a standby: connections are cut, and new ones are read-only."""
        name = self.databases.name
        value = "on" if on else "off"
        await self.admin(
            f"alter role orders_service in database {name}"
            f" set default_transaction_read_only = {value}"
        )
        await self.admin(END)

    async def refuse(self, code: str) -> None:
        """Let every insert fail as PostgreSQL's own error of that code would."""
        await self.admin(
            "create or replace function orders.fail() returns trigger language plpgsql as $f$"
            f" begin raise exception 'no space left on device' using errcode = '{code}'; end $f$"
        )
        await self.admin(
            "create or replace trigger fail before insert on orders.write_trials"
            " for each row execute function orders.fail()"
        )

    async def heal(self) -> None:
        await self.admin("drop trigger if exists fail on orders.write_trials")

    async def failure(self, statement: str, timeout: float | None = None) -> Failure:
        with pytest.raises(Failure) as raised:
            async with self.database.system() as connection:
                await connection.execute(statement, timeout=timeout)
        return raised.value


@pytest.fixture
async def subject(databases: Databases) -> AsyncIterator[Subject]:
    async with databases.open("orders", size=2) as opened:
        yield Subject(opened, databases)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("25006", "DATABASE_READ_ONLY"),
        ("53100", "DATABASE_FULL"),
        ("53000", "DATABASE_OVERLOADED"),
        ("53200", "DATABASE_OVERLOADED"),
        ("53300", "DATABASE_OVERLOADED"),
        ("53400", "DATABASE_OVERLOADED"),
        ("57014", "DATABASE_SLOW"),
        ("55P03", "DATABASE_SLOW"),
        ("25P03", "DATABASE_SLOW"),
        ("25P04", "DATABASE_SLOW"),
        ("40001", "DATABASE_CONFLICT"),
        ("40P01", "DATABASE_CONFLICT"),
        ("57P01", "DATABASE_UNAVAILABLE"),
        ("57P02", "DATABASE_UNAVAILABLE"),
        ("57P03", "DATABASE_UNAVAILABLE"),
        ("58030", "DATABASE_UNAVAILABLE"),
        ("08006", "DATABASE_UNAVAILABLE"),
        ("28P01", "DATABASE_UNAVAILABLE"),
        ("3D000", "DATABASE_UNAVAILABLE"),
        ("XX001", "DATABASE_UNAVAILABLE"),
        ("XX002", "DATABASE_UNAVAILABLE"),
    ],
)
async def test_a_database_state_becomes_a_failure_of_a_known_kind(
    subject: Subject, code: str, reason: str
) -> None:
    failure = await subject.failure(RAISE.format(code))
    assert (failure.kind, failure.reason) == (Kind.UNAVAILABLE, reason)
    assert failure.message == db_errors.MESSAGES[reason]
    assert "again" in failure.message
    with pytest.raises(Failure) as raised:  # without a session too
        await subject.database.call("select orders_fail($1)", 1)
    assert raised.value.reason == "STATEMENT_REFUSED"


async def test_a_refused_login_is_unavailable_and_recovers(subject: Subject) -> None:
    await subject.admin("alter role orders_service nologin")
    try:
        await subject.admin(END)
        async with asyncio.timeout(PATIENCE):
            while "not permitted to log in" not in str(
                (failure := await subject.failure("select 1")).__cause__
            ):
                pass  # it finds a connection that was ended
    finally:
        await subject.admin("alter role orders_service login")
    assert (failure.kind, failure.reason) == (Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    async with subject.database.system() as connection:
        assert await connection.fetchval("select 1") == 1


@pytest.mark.parametrize("code", ["22012", "23505", "42P01", "P0001", "XX000"])
async def test_an_error_of_a_statement_is_not_a_database_failure(
    subject: Subject, code: str
) -> None:
    with pytest.raises(Exception, match="made up") as raised:
        async with subject.database.system() as connection:
            await connection.execute(RAISE.format(code))
    assert not isinstance(raised.value, Failure)


@pytest.mark.parametrize(
    ("statement", "timeout"),
    [
        ("set local statement_timeout = 20; select pg_sleep(60)", None),
        ("select pg_sleep(60)", 0.05),  # the driver's timeout
    ],
)
async def test_a_statement_that_takes_too_long_is_unavailable(
    subject: Subject, statement: str, timeout: float | None
) -> None:
    assert (await subject.failure(statement, timeout)).reason == "DATABASE_SLOW"


async def test_a_lock_timeout_is_unavailable(subject: Subject) -> None:
    transaction = subject.databases.admin.transaction()
    await transaction.start()
    await subject.admin("lock orders.write_trials")
    wait = "set local lock_timeout = 20; insert into orders.write_trials values ('x')"
    assert (await subject.failure(wait)).reason == "DATABASE_SLOW"
    await transaction.rollback()


async def test_a_read_only_database_is_detected_and_recovers(
    subject: Subject, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = subject.database.writes
    assert await writes.check() is None
    await subject.read_only(on=True)
    assert await finds(writes, "DATABASE_READ_ONLY")
    async with subject.database.session(ANONYMOUS) as connection:
        assert await connection.fetchval("select 1") == 1
    failure = await subject.failure("insert into orders.write_trials values ('x')")
    assert failure.reason == "DATABASE_READ_ONLY"
    monkeypatch.setattr(db_health, "REMEMBERED", 0.0)
    await subject.read_only(on=False)
    assert await finds(writes, None)
    lines = [r.getMessage() for r in caplog.records if "writes" in r.getMessage()]
    assert lines[0].startswith("database does not accept writes: DATABASE_")
    assert lines[-1].startswith("database accepts writes again (")
    assert len(lines) == 2
    assert all(r.levelno == logging.WARNING for r in caplog.records if "writes" in r.getMessage())


@pytest.mark.parametrize(
    ("code", "reason"),
    [("53100", "DATABASE_FULL"), ("53200", "DATABASE_OVERLOADED"), ("57014", "DATABASE_SLOW")],
)
async def test_a_database_that_accepts_no_inserts_is_detected_and_recovers(
    subject: Subject, code: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = subject.database.writes
    await subject.refuse(code)
    assert await finds(writes, reason)
    monkeypatch.setattr(db_health, "REMEMBERED", 0.0)
    await subject.heal()
    assert await finds(writes, None)


async def test_a_disk_full_error_is_reported_although_the_write_check_succeeds(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = subject.database.writes
    assert await writes.check() is None
    await subject.failure(RAISE.format("53100"))
    assert writes.reason == "DATABASE_FULL"
    monkeypatch.setattr(db_health, "FRESH", 0.0)
    assert await writes.check() == "DATABASE_FULL"
    monkeypatch.setattr(db_health, "REMEMBERED", 0.0)
    assert await writes.check() is None


async def test_a_slow_or_conflicting_statement_does_not_mark_writes_as_failing(
    subject: Subject,
) -> None:
    for code in ("57014", "40001"):
        await subject.failure(RAISE.format(code))
    assert await subject.database.writes.check() is None


async def test_write_checks_leave_no_rows_and_concurrent_callers_share_one(
    subject: Subject,
) -> None:
    results = await asyncio.gather(*(subject.database.writes.check() for _ in range(50)))
    assert set(results) == {None}
    tried = await subject.databases.admin.fetchval(
        "select pg_relation_size('orders.write_trials') / 8192"
    )
    assert tried == 1
    assert await subject.databases.admin.fetchval("select count(*) from orders.write_trials") == 0


async def test_a_start_waits_while_no_connections_are_available(
    databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    await databases.admin.execute("alter role orders_service connection limit 0")
    stop = asyncio.Event()
    try:
        opening = asyncio.ensure_future(
            Database.open(databases.url("orders"), owner="orders", needs="x", stop=stop)
        )
        await until(lambda: "too many connections" in caplog.text)
        stop.set()
        with pytest.raises(Stopped):
            await opening
    finally:
        await databases.admin.execute("alter role orders_service connection limit -1")


REFUSAL = {"S": "FATAL", "V": "FATAL", "C": "XX000", "M": "Max client connections reached"}


def test_a_session_that_a_pooler_ends_with_a_code_of_its_own_is_unavailable() -> None:
    error = asyncpg.PostgresError.new(REFUSAL)
    assert type(error) is asyncpg.InternalServerError
    assert db_errors.reason_of(error) == "DATABASE_UNAVAILABLE"
    of_a_statement = asyncpg.PostgresError.new(REFUSAL | {"S": "ERROR", "V": "ERROR"})
    assert db_errors.reason_of(of_a_statement) is None


async def test_a_start_waits_for_a_pooler_that_admits_no_more_sessions(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"N")  # no TLS
        await reader.read(1_000)
        fields = b"".join(f"{key}{value}\0".encode() for key, value in REFUSAL.items()) + b"\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        writer.close()

    stop = asyncio.Event()
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://orders_service@127.0.0.1:{port}/postgres"
        opening = asyncio.ensure_future(Database.open(url, owner="orders", needs="x", stop=stop))
        await until(lambda: "Max client connections reached" in caplog.text or opening.done())
        stop.set()
        with pytest.raises(Stopped):
            await opening
    assert "cannot reach PostgreSQL at 127.0.0.1" in caplog.text


async def test_a_statement_whose_result_a_migration_has_changed_may_be_repeated(
    subject: Subject,
) -> None:
    await subject.admin("create table orders.changing (number int)")
    await subject.admin("grant select on orders.changing to orders_system")

    async def read() -> object:
        async with subject.database.system() as connection:
            return await connection.fetch("select number from orders.changing")

    await read()
    await subject.admin("alter table orders.changing alter number type bigint")
    with pytest.raises(Failure) as raised:
        await read()
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAVAILABLE, "DATABASE_CONFLICT")
    assert await read() == []


async def finds(writes: db_health.Writes, reason: str | None) -> bool:
    """Wait until the write checks report that."""
    async with asyncio.timeout(PATIENCE):
        while await writes.check() != reason:
            await asyncio.sleep(0.05)
    return True
