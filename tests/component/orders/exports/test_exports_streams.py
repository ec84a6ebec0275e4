"""Exports are bounded in memory and time, whatever their reader does."""

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import asyncpg
import grpc
import pytest

from kit.db.database import Connection
from kit.db.exports import BATCH, DEFAULTS, Exports, Limits, rows
from kit.db.reports import ReportsDatabase
from kit.errors import Failure
from kit.rpc.errors import from_error
from kit.rpc.limits import DEFAULTS as OPEN
from kit.rpc.server import CONNECTION_AGE, server_options
from tests.component.orders.exports.exporting import REQUESTS, Exporting, exporting
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.programs.pooler import pooler
from tests.fixtures.sandboxes import Auth

MANY = 20_000
POST = """
with t as (
    insert into orders.ledger_transactions (kind, key, actor, at, note)
    select 'TEST', 'test:' || i, 'test', timestamptz '2026-11-01' + i * interval '1 minute', repeat('.', 200)
    from generate_series(1, $1::integer) i returning id
)
insert into orders.ledger_entries (transaction_id, n, account, amount, currency)
select t.id, e.n, 'fees', e.amount, 'EUR' from t, (values (1, 1.5), (2, -1.5)) e(n, amount)
"""
# Transactions that this test does not run itself.
NONE_OPEN = """
select not exists (
    select from pg_stat_activity
    where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
)
"""


async def post(databases: Databases, number: int) -> None:
    admin = databases.admin
    await admin.execute("set session_replication_role = replica")
    await admin.execute(POST, number // 2)
    await admin.execute("reset session_replication_role")


async def ended(databases: Databases) -> None:
    await databases.until(NONE_OPEN)


async def until_free(exported: Exporting) -> None:
    """Wait until another export may begin, which is a moment after the transaction of the last one ended."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                assert await exported.rows("Customers") == []
            except grpc.aio.AioRpcError as error:
                if from_error(error).reason != "EXPORTS_BUSY":
                    raise
            else:
                return
            await asyncio.sleep(0.01)


async def test_a_reader_who_leaves_ends_the_transaction(databases: Databases, auth: Auth) -> None:
    await post(databases, MANY)
    async with exporting(databases, auth, Limits(concurrent=1)) as exported:
        for _ in range(2):
            call = exported.call("Ledger")
            messages = aiter(call)
            await anext(messages)
            assert len((await anext(messages)).rows) == BATCH
            assert not await databases.admin.fetchval(NONE_OPEN)
            call.cancel()
            await ended(databases)
            await until_free(exported)
        # Its place is free again.
        assert len(await exported.rows("Ledger")) == MANY


async def test_a_slow_reader_ends_the_transaction_and_gets_an_error(
    databases: Databases, auth: Auth
) -> None:
    await post(databases, MANY)
    async with exporting(databases, auth, Limits(patience=0.2)) as exported:
        messages = aiter(exported.call("Ledger"))
        await anext(messages)
        # It ends although nothing is read.
        await ended(databases)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            async for _ in messages:
                pass
    failure = from_error(refused.value)
    assert (failure.kind.name, failure.reason) == ("EXHAUSTED", "EXPORT_READ_TOO_SLOWLY")


async def test_an_export_that_takes_too_long_is_stopped(databases: Databases, auth: Auth) -> None:
    await post(databases, MANY)
    async with exporting(databases, auth, Limits(longest=0.5)) as exported:
        messages = aiter(exported.call("Ledger"))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(messages)
            await ended(databases)
            async for _ in messages:
                pass
    assert from_error(refused.value).reason == "EXPORT_TOO_LONG"


async def test_more_exports_than_allowed_are_refused(databases: Databases, auth: Auth) -> None:
    await post(databases, MANY)
    async with exporting(databases, auth, Limits(concurrent=1)) as exported:
        first = exported.call("Ledger")
        await first.read()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await exported.rows("Customers")
        failure = from_error(refused.value)
        assert (failure.kind.name, failure.reason) == ("EXHAUSTED", "EXPORTS_BUSY")
        assert failure.retry_after
        first.cancel()
        await ended(databases)
        await until_free(exported)


async def test_an_export_that_loses_its_database_does_not_look_whole(
    databases: Databases, auth: Auth
) -> None:
    await post(databases, MANY)
    async with exporting(databases, auth) as exported:
        messages = aiter(exported.call("Ledger"))
        await anext(messages)
        await databases.admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()"
        )
        with pytest.raises(grpc.aio.AioRpcError) as lost:
            async for _ in messages:
                pass
        assert lost.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(await exported.rows("Ledger")) == MANY


async def test_all_rows_are_of_one_moment_and_nothing_can_be_written(
    databases: Databases, auth: Auth
) -> None:
    await post(databases, MANY)
    async with exporting(databases, auth) as exported:
        messages = aiter(exported.call("Ledger"))
        await anext(messages)
        await databases.admin.execute("set session_replication_role = replica")
        await databases.admin.execute("delete from orders.ledger_entries")
        await databases.admin.execute("reset session_replication_role")
        assert sum([len(message.rows) async for message in messages]) == MANY
    async with databases.open("orders") as database:
        exports = Exports(ReportsDatabase(database, None, owner="orders", needs=""))

        async def write(connection: Connection) -> AsyncGenerator[Any, None]:
            yield await connection.execute("delete from orders.sales_by_day")

        with pytest.raises(Failure) as refused:
            await anext(exports.stream(write))
        assert refused.value.reason == "DATABASE_READ_ONLY"


async def test_members_of_organizations_leave_an_export_to_the_staff(databases: Databases) -> None:
    async with databases.open("orders") as database:
        reading = ReportsDatabase(database, None, owner="orders", needs="")
        exports = Exports(reading, Limits(concurrent=2))

        async def without_end(connection: Connection) -> AsyncGenerator[int, None]:
            while True:
                yield 1

        async with aclosing(exports.stream(without_end, staff=False)) as first:
            assert await anext(first) == 1
            async with aclosing(exports.stream(without_end, staff=False)) as second:
                with pytest.raises(Failure, match="running, the maximum"):
                    await anext(second)
            async with aclosing(exports.stream(without_end)) as of_staff:
                assert await anext(of_staff) == 1


async def test_no_more_is_read_ahead_than_a_few_messages(databases: Databases) -> None:
    async with databases.open("orders") as database:
        exports = Exports(ReportsDatabase(database, None, owner="orders", needs=""))
        made = 0

        async def count(connection: Connection) -> AsyncGenerator[int, None]:
            nonlocal made
            for made in range(1, 1_001):
                yield made

        async with aclosing(exports.stream(count)) as messages:
            async for message in messages:
                await asyncio.sleep(0)
                # Two that wait, and one that waits for room.
                assert made <= message + 3


async def test_an_export_outlives_the_age_of_its_connection(
    databases: Databases, auth: Auth
) -> None:
    options = dict(server_options(OPEN, CONNECTION_AGE))
    assert options["grpc.max_connection_age_grace_ms"] > DEFAULTS.longest * 1000
    await post(databases, MANY)
    async with exporting(databases, auth, connection_age=0.2) as exported:
        messages = aiter(exported.call("Ledger"))
        rows_ = len((await anext(messages)).rows)
        await asyncio.sleep(1)
        rows_ += sum([len(message.rows) async for message in messages])
    assert rows_ == MANY


@pytest.mark.parametrize("kind", REQUESTS)
async def test_the_login_of_reports_reads_every_export(
    kind: str, databases: Databases, auth: Auth
) -> None:
    url = databases.server.url(databases.name, "orders_reports")
    async with exporting(databases, auth, url=url) as exported:
        assert await exported.rows(kind) == []


@pytest.mark.parametrize(
    "secret",
    [
        *("matching_id from orders.order_esims", "idempotency_key from orders.esim_orders"),
        *("intent_id from orders.payments", "session_id from orders.payments"),
        *("email from orders.members", "token_hash from orders.invitations"),
        "billing_address from orders.organizations",
    ],
)
async def test_the_login_of_reports_reads_no_secret(secret: str, databases: Databases) -> None:
    login = await asyncpg.connect(databases.server.url(databases.name, "orders_reports"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.fetch(f"select {secret}")
    finally:
        await login.close()


async def test_memory_does_not_grow_with_the_rows(databases: Databases, auth: Auth) -> None:
    async def peak(number: int) -> int:
        await post(databases, number)
        async with exporting(databases, auth) as exported:
            tracemalloc.start()
            try:
                total = 0
                async for message in exported.call("Ledger"):
                    total += len(message.rows)
                assert total >= number
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    few = await peak(4 * BATCH)
    await databases.admin.execute("truncate orders.ledger_transactions cascade")
    many = await peak(80 * BATCH)
    assert many < few + 2 * 2**20


async def test_exports_work_through_a_pooler(databases: Databases) -> None:
    await post(databases, 4 * BATCH)
    query = "select n, note from orders.ledger_transactions where n > $1 order by n"
    async with (
        pooler(databases, lent=2) as server,
        Databases(databases.server, databases.name, databases.admin, server).open(
            "orders", pooled=True
        ) as database,
    ):
        exports = Exports(ReportsDatabase(database, None, owner="orders", needs=""), Limits(10))

        async def numbers(connection: Connection) -> AsyncGenerator[list[int], None]:
            async for batch in rows(connection, "test", query, 0):
                yield [row["n"] for row in batch]

        async def export() -> int:
            async with aclosing(exports.stream(numbers)) as messages:
                return sum([len(batch) async for batch in messages])

        async with asyncio.timeout(PATIENCE):
            assert set(await asyncio.gather(*(export() for _ in range(8)))) == {2 * BATCH}
