"""What the esims service reports of eSIMs is applied once, in any order, together with the cursor."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kit.changes.reader import LIMIT
from kit.values import timestamps
from protos.changes.v1 import changes_pb2 as pb
from services.orders.reports import progress_store
from services.orders.reports.progress import SOURCE, ESIMProgress
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases

ROWS = "select esim_id, order_id, installed_at, first_used_at, version from orders.esim_progress"
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
ESIM, ORDER = UUID(int=1), UUID(int=2)


def change(version: int = 1, esim_id: UUID = ESIM, /, **body: Any) -> pb.Change:
    made = pb.Change(type="esim", subject_id=str(esim_id), version=version)
    made.at.CopyFrom(timestamps.to_proto(NOON) or made.at)
    made.body.update({"order_id": str(ORDER), "status": "ASSIGNED"} | body)
    return made


def at(hour: int) -> str:
    return f"2026-11-05T{hour:02}:00:00.000000Z"


async def rows(databases: Databases) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await databases.admin.fetch(ROWS)]


async def test_changes_and_cursor_are_applied_together(databases: Databases) -> None:
    async with databases.open("orders") as database:
        progress = ESIMProgress(database)
        assert await progress.cursor() == ""
        await progress.apply([pb.Change(type="group", subject_id="x", version=9)], "1.1")
        assert (await progress.cursor(), await rows(databases)) == ("1.1", [])
        await progress.apply([change(installed_at=at(12), first_used_at=None)], "1.2")
        assert await rows(databases) == [(ESIM, ORDER, NOON, None, 1)]
        with pytest.raises(ValueError, match="badly formed"):
            await progress.apply([change(2), change(3, order_id="x")], "1.3")
        assert (await progress.cursor(), len(await rows(databases))) == ("1.2", 1)


async def test_an_older_change_changes_nothing(databases: Databases) -> None:
    async with databases.open("orders") as database:
        progress = ESIMProgress(database)
        older = change(4, installed_at=at(1), first_used_at=None)
        await progress.apply([change(5, installed_at=at(12), first_used_at=at(12)), older], "1.1")
        await progress.apply([older, change(5, installed_at=None, first_used_at=None)], "1.2")
        assert await rows(databases) == [(ESIM, ORDER, NOON, NOON, 5)]
        # An eSIM that turns out not to be installed.
        await progress.apply([change(6, installed_at=None, first_used_at=None)], "1.3")
        assert await rows(databases) == [(ESIM, ORDER, None, None, 6)]


async def test_an_older_release_only_says_that_it_is_installed(databases: Databases) -> None:
    async with databases.open("orders") as database:
        progress = ESIMProgress(database)
        await progress.apply([change(1, installed=False)], "1.1")
        assert await rows(databases) == [(ESIM, ORDER, None, None, 1)]
        await progress.apply([change(2, installed=True)], "1.2")
        assert await rows(databases) == [(ESIM, ORDER, NOON, None, 2)]
        await progress.apply([change(3, installed=True, installed_at=None)], "1.3")
        assert await rows(databases) == [(ESIM, ORDER, None, None, 3)]


async def test_one_unreadable_time_does_not_stop_all_others(
    databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    async with databases.open("orders") as database:
        odd = change(1, installed_at="infinity", first_used_at=at(12))
        await ESIMProgress(database).apply([odd, change(1, UUID(int=9))], "1.1")
    assert {row[0]: row[2:4] for row in await rows(databases)} == {
        ESIM: (None, NOON),
        UUID(int=9): (None, None),
    }
    assert "can't be read: infinity" in caplog.text


async def test_progress_is_complete_once_all_changes_were_read(databases: Databases) -> None:
    async with databases.open("orders") as database:
        progress = ESIMProgress(database)

        async def complete() -> datetime | None:
            async with database.system() as connection:
                return await progress_store.complete_at(connection, SOURCE)

        assert await complete() is None
        await progress.apply([change(n + 1) for n in range(LIMIT)], "1.1")
        assert await complete() is None
        await progress.apply([change(LIMIT + 1)], "1.2")
        first = await complete()
        assert first is not None
        # A full page later on: what was complete then still is.
        await progress.apply([change(n + 1, uuid4()) for n in range(LIMIT)], "1.3")
        assert await complete() == first
        # After a start from the beginning, it is not known what was missed.
        await progress.apply([], "")
        assert await complete() is None
        await progress.apply([], "1.4")
        assert await complete() is not None


async def test_pages_in_any_order_end_in_the_newest_state(databases: Databases) -> None:
    loop = asyncio.get_running_loop()
    versions = st.permutations([(esim, version) for esim in range(4) for version in range(1, 6)])

    async with databases.open("orders") as database:
        progress = ESIMProgress(database)

        async def one(order: list[tuple[int, int]], size: int) -> None:
            await databases.admin.execute("truncate orders.esim_progress")
            pages = [
                [change(v, UUID(int=100 + n), installed_at=at(v)) for n, v in order[start:][:size]]
                for start in range(0, len(order), size)
            ]
            # Two replicas at once, and each page again.
            await asyncio.gather(*(progress.apply(page, "1.1") for page in [*pages, *pages]))
            found = {row[0]: (row[2], row[4]) for row in await rows(databases)}
            newest = datetime.fromisoformat(at(5)), 5
            assert found == {UUID(int=100 + n): newest for n in range(4)}

        @examples(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
        @given(order=versions, size=st.integers(1, 7))
        def any_order(order: list[tuple[int, int]], size: int) -> None:
            asyncio.run_coroutine_threadsafe(one(order, size), loop).result(PATIENCE)

        await asyncio.to_thread(any_order)
