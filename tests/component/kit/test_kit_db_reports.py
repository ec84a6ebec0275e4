"""The own server of reports: while it can't be reached, every report says so in time."""

import asyncio
import time

import pytest

from kit.db import reports as db_reports
from kit.db.database import Database
from kit.db.reports import ReportsDatabase
from kit.errors import Failure, Kind
from kit.telemetry import metrics
from tests.fixtures.free_ports import free_ports
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import MIGRATED, Databases


async def failing(reports: ReportsDatabase) -> Failure:
    with pytest.raises(Failure) as raised:
        async with reports.snapshot():
            pass
    return raised.value


async def test_reports_at_once_fail_together(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db_reports, "PATIENCE", 0.5)
    [port] = free_ports(1)
    url = f"postgresql://orders_reports@127.0.0.1:{port}/postgres"
    async with databases.open("orders") as database:
        reports = ReportsDatabase(database, url, owner="orders", needs=MIGRATED)
        attempts = Database.open
        opened: list[float] = []

        async def counted(*arguments: object, **options: object) -> object:
            opened.append(time.monotonic())
            return await attempts(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(Database, "open", counted)
        async with asyncio.timeout(PATIENCE):
            found = await asyncio.gather(*(failing(reports) for _ in range(10)))
            assert len(opened) == 1
            found.append(await failing(reports))  # tries again
        assert len(opened) == 2
        await reports.close()
    assert {(one.kind, one.reason) for one in found} == {
        (Kind.UNAVAILABLE, "REPORTS_DATABASE_UNAVAILABLE")
    }


async def test_a_wrong_setting_is_logged_and_no_internal_error(
    databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    url = "postgresql://orders_reports@localhost/postgres?sslmode=unknown"
    async with databases.open("orders") as database:
        reports = ReportsDatabase(database, url, owner="orders", needs=MIGRATED)
        failure = await failing(reports)
        await reports.close()
    assert (failure.kind, failure.reason) == (Kind.UNAVAILABLE, "REPORTS_DATABASE_UNAVAILABLE")
    assert "ORDERS_REPORTS_DATABASE_URL can't be used" in caplog.text


async def test_a_cancelled_report_does_not_disturb_the_others(databases: Databases) -> None:
    url = databases.server.url(databases.name, "orders_reports")
    async with databases.open("orders") as database:
        reports = ReportsDatabase(database, url, owner="orders", needs=MIGRATED)
        cancelled = asyncio.create_task(failing(reports))
        await asyncio.sleep(0)
        cancelled.cancel()
        async with asyncio.timeout(PATIENCE), reports.snapshot() as connection:
            assert await connection.fetchval("select 1") == 1
        await reports.close()


async def test_a_report_that_is_too_slow_or_sorts_too_much_fires_no_alert_of_the_database(
    databases: Databases,
) -> None:
    full = "do $$ begin raise exception 'made up' using errcode = '53100'; end $$"
    pool = {"db_client_connection_pool_name": "orders_reports"}
    with metrics.separate_registry() as registry:
        async with databases.open("orders", name="orders_reports") as database:
            for statement in ("set local statement_timeout = 20; select pg_sleep(60)", full):
                with pytest.raises(Failure):
                    async with database.reports() as connection:
                        await connection.execute(statement)
        failed = [
            (sample.labels["reason"], sample.value)
            for family in registry.collect()
            for sample in family.samples
            if sample.name == "esimgo_db_failures_total"
        ]
        assert registry.get_sample_value("esimgo_db_writable", pool) is None
    assert failed == [("DATABASE_FULL", 1)]
