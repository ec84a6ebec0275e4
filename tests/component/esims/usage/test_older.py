"""eSIMs from before first use was recorded: a background job records it, and reports each of them once."""

import asyncio
from datetime import datetime

from services.esims.usage import older
from tests.component.esims.usage.parts import MB, START, Reports, at

SINCE = """
select subject_id, version, body ->> 'installed_at' as installed, body ->> 'first_used_at' as used
from esims.outbox where id > $1 order by id
"""


async def before_the_migration(reports: Reports) -> int:
    """Forget what the migration's columns say, and return the number of the last change."""
    await reports.admin.execute("set session_replication_role = replica")
    await reports.admin.execute("update esims.esims set first_used_at = null")
    await reports.admin.execute("set session_replication_role = origin")
    await reports.admin.execute("update esims.usage_state set recorded_since = now()")
    return int(await reports.admin.fetchval("select max(id) from esims.outbox"))


async def record_all(reports: Reports, step: int) -> None:
    while await older.record(reports.parts.database, step):
        pass


async def test_older_esims_that_were_installed_or_used_are_reported_once(reports: Reports) -> None:
    started, used, installed, both, _idle = await reports.parts.deliver(5)
    (unlimited,) = await reports.parts.deliver()
    await reports.used(started, 5, 0, started=at(1))
    await reports.used(used, 6, 3 * MB, started=None)
    await reports.used(both, 7, 3 * MB, started=at(2))
    await reports.used(unlimited, 8, None, unlimited=True, started=None)
    for esim in (installed, both):
        await reports.admin.execute(
            "update esims.esims set installed_at = $2 where id = $1", esim.id, START
        )
    last = await before_the_migration(reports)
    await record_all(reports, step=2)
    rows = await reports.admin.fetch(SINCE, last)
    assert [row["version"] for row in rows] == sorted({row["version"] for row in rows})
    reported = {row["subject_id"]: (row["installed"], row["used"]) for row in rows}
    assert len(rows) == len(reported)

    def text(moment: datetime | None) -> str | None:
        return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    assert reported == {
        started.id: (None, text(at(1))),
        used.id: (None, text(at(6))),
        installed.id: (text(START), None),
        both.id: (text(START), text(at(2))),
        unlimited.id: (None, text(at(8))),
    }
    assert await reports.admin.fetchval("select older_done from esims.usage_state")
    # Another process does nothing again.
    await record_all(reports, step=2)
    assert len(await reports.admin.fetch(SINCE, last)) == len(rows)


async def test_newer_esims_are_left_out(reports: Reports) -> None:
    (first,) = await reports.parts.deliver()
    await reports.used(first, 5, 0)
    last = await before_the_migration(reports)
    (newer,) = await reports.parts.deliver()
    await reports.used(newer, 5, 0)
    await record_all(reports, step=10)
    rows = await reports.admin.fetch(SINCE, last)
    # Registration and first use of the newer one, and the older one.
    assert [row["subject_id"] for row in rows] == [newer.id, newer.id, first.id]


async def test_replicas_share_the_work(reports: Reports) -> None:
    esims = await reports.parts.deliver(4)
    for esim in esims:
        await reports.used(esim, 5, 0)
    last = await before_the_migration(reports)
    while not await reports.admin.fetchval("select older_done from esims.usage_state"):
        await asyncio.gather(*(older.record(reports.parts.database, 1) for _ in range(3)))
    rows = await reports.admin.fetch(SINCE, last)
    assert sorted(row["subject_id"] for row in rows) == sorted(esim.id for esim in esims)
