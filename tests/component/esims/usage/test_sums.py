"""Sums of usage by day: each sample and visit counts exactly once, whatever happens to the processes."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from kit.telemetry import metrics
from services.esims.usage import deletion_store, sum_store
from services.esims.usage.check import Counts, UsageCheck
from services.esims.usage.plans import plan_id
from services.esims.usage.sums import UsageDeletion
from tests.component.esims.usage.parts import MB, START, Reports, at
from tests.component.esims.usage.summing import (
    differences,
    recounted,
    some_use,
    stored,
    sum_all,
    sums_in,
    waiting,
)
from tests.fixtures.wrong_clock import SetAhead

BIG = "18446744073709550000"  # a transaction id that no server of a test reaches


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
async def test_sums_equal_a_recount_in_each_zone(reports: Reports, zone: str) -> None:
    await some_use(reports)
    await sum_all(reports, zone, step=5)
    expected = await recounted(reports, zone)
    assert len(expected) > 20
    assert await stored(reports, zone) == expected
    assert await differences(reports) == []
    plans = await reports.admin.fetch("select bundle_name, plan_id from esims.bundle_plans")
    assert {row["bundle_name"]: row["plan_id"] for row in plans} == {
        name: plan_id(name) for name in {key[2] for key in expected}
    }


async def test_days_whose_midnight_comes_twice_are_summed_again_whole(reports: Reports) -> None:
    zone = "America/Havana"  # on 2026-11-01, at 05:00 UTC, the hour after midnight begins again
    esims = await reports.parts.deliver(4)
    moments = ("11-01T03:59", "11-01T04:30", "11-01T05:30", "11-02T05:00")
    insert = """
        insert into esims.usage_samples
            (esim_id, assignment_id, bundle_name, at, used_bytes, previous_bytes, source)
        values ($1, 'a', 'b', $2, $3, 0, 'READ')
    """
    for n, (esim, moment) in enumerate(zip(esims, moments, strict=True)):
        when = datetime.fromisoformat(f"2026-{moment}:00+00:00")
        await reports.admin.execute(insert, esim.id, when, 10**n)
    await sum_all(reports)
    await sums_in(reports, zone).round()  # a new zone sums each day again
    by_day = {key[0].isoformat(): one[0] for key, one in (await stored(reports, zone)).items()}
    assert by_day == {"2026-10-31": 1, "2026-11-01": 110, "2026-11-02": 1000}
    assert await differences(reports) == []


async def test_a_sample_of_a_slow_transaction_is_not_skipped(reports: Reports) -> None:
    slow, fast = await reports.parts.deliver(2)
    insert = """
        insert into esims.usage_samples
            (esim_id, assignment_id, bundle_name, at, used_bytes, previous_bytes, source)
        values ($1, 'a', 'b', $2, $3, 0, 'READ')
    """
    async with reports.parts.database.system() as connection:
        await connection.execute(insert, slow.id, START, 1)
        # A later id is committed first.
        async with reports.parts.database.system() as other:
            await other.execute(insert, fast.id, START, 10)
        await sums_in(reports).round()
        assert await stored(reports, "UTC") == {}
    await sum_all(reports)
    (figures,) = (await stored(reports, "UTC")).values()
    assert figures[0] == 11


async def test_a_round_that_fails_changes_nothing(reports: Reports) -> None:
    await some_use(reports, reports_each=3)
    await sum_all(reports)  # the zone is there
    before = await stored(reports, "UTC")
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 1, 5 * MB)
    await reports.admin.execute(
        "alter table esims.bundle_plans add constraint fails check (bundle_name = '') not valid"
    )
    with pytest.raises(Exception, match="fails"):
        await sum_all(reports)
    assert await stored(reports, "UTC") == before
    await reports.admin.execute("alter table esims.bundle_plans drop constraint fails")
    await sum_all(reports)
    assert await stored(reports, "UTC") == await recounted(reports, "UTC") != before


async def test_several_replicas_count_each_sample_once(reports: Reports) -> None:
    await some_use(reports)
    workers = [sums_in(reports, step=3) for _ in range(4)]
    while await waiting(reports):
        await asyncio.gather(*(worker.round() for worker in workers))
    assert await stored(reports, "UTC") == await recounted(reports, "UTC")


async def test_another_zone_is_summed_from_the_samples_that_are_there(reports: Reports) -> None:
    await some_use(reports)
    await sum_all(reports)
    utc = await stored(reports, "UTC")
    # The samples of the first days are deleted, before a time in the middle of a day.
    async with reports.parts.database.system() as connection:
        assert await sum_store.take(connection)
        assert await deletion_store.delete(connection, at(100.5), 1_000)
    await sum_all(reports, "Asia/Kolkata")
    zones = await reports.admin.fetch("select * from esims.usage_zones order by time_zone")
    (kolkata, first) = zones
    assert (first["time_zone"], first["complete_from"]) == ("UTC", None)
    begin = kolkata["complete_from"]
    assert begin == at(100.5).astimezone(ZoneInfo("Asia/Kolkata")).date() + timedelta(days=1)
    assert await stored(reports, "UTC") == utc
    complete = {
        key: value
        for key, value in (await stored(reports, "Asia/Kolkata")).items()
        if key[0] >= begin
    }
    assert complete == {
        key: value
        for key, value in (await recounted(reports, "Asia/Kolkata")).items()
        if key[0] >= begin
    }
    # Both are raised from now on.
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 500, 5 * MB, started=at(499))
    await sum_all(reports, "Asia/Kolkata")
    for zone in ("UTC", "Asia/Kolkata"):
        day = at(500).astimezone(ZoneInfo(zone)).date()
        assert (await stored(reports, zone))[day, "", esim.bundle_name, None][:3] == (
            5 * MB,
            5 * MB,
            1,
        )
    assert await differences(reports) == []


async def test_old_samples_are_deleted_once_they_are_summed(reports: Reports) -> None:
    await some_use(reports)
    deletion = UsageDeletion(reports.parts.database, days=1, stop=asyncio.Event())
    await deletion.run()
    assert await reports.samples()  # none is summed yet
    await sum_all(reports)
    before = await stored(reports, "UTC")
    await reports.admin.execute(
        """update esims.visits set last_seen_at = now()
           where id = (select id from esims.visits order by first_seen_at limit 1)"""
    )
    await deletion.run()
    assert await reports.samples() == []
    assert len(await reports.visits()) == 1  # the eSIM is still there
    assert await stored(reports, "UTC") == before
    assert await differences(reports) == []


async def test_a_clock_that_is_ahead_deletes_no_samples(
    reports: Reports, set_ahead: SetAhead
) -> None:
    await some_use(reports)
    await sum_all(reports)
    set_ahead(timedelta(days=4000))
    before = await reports.samples()
    async with reports.parts.databases.open("esims") as database:
        await UsageDeletion(database, days=3650, stop=asyncio.Event()).run()
    assert await reports.samples() == before


async def test_a_database_that_is_restored_on_another_server_goes_on_exactly(
    reports: Reports,
) -> None:
    """There, transaction ids are lower than all that are stored."""
    await some_use(reports, seed=1)
    await sum_all(reports)
    await some_use(reports, seed=2)  # not summed before the backup
    for source, table in sum_store.TABLES.items():
        await reports.admin.execute(
            f"""
            update esims.{table} s set xid = case
                when (s.xid, s.id) > (w.xid, w.id) then $2::text::xid8
                else ($2::text::numeric - 1)::text::xid8 end
            from esims.usage_watermarks w where w.source = $1
            """,  # noqa: S608 - names of the module
            source,
            BIG,
        )
    await reports.admin.execute(
        "update esims.usage_watermarks set xid = ($1::text::numeric - 1)::text::xid8", BIG
    )
    await some_use(reports, seed=3)  # written on the new server, before the first round
    await sum_all(reports)
    assert await stored(reports, "UTC") == await recounted(reports, "UTC")
    await some_use(reports, seed=4)
    await sum_all(reports)
    assert await stored(reports, "UTC") == await recounted(reports, "UTC")


async def test_wrong_sums_are_found_and_corrected(reports: Reports) -> None:
    await some_use(reports)
    await sum_all(reports)
    right = await stored(reports, "UTC")
    await reports.admin.execute(
        """
        update esims.usage_by_day set bytes = bytes + 1 where ctid = (select min(ctid) from esims.usage_by_day
            where samples > 0);
        delete from esims.usage_by_day where day = (select max(day) from esims.usage_by_day);
        """
    )
    counts, check = Counts(), UsageCheck(reports.parts.database)
    assert len([d async for d in check.run(counts, check=False)]) == 2 == counts.differences
    assert await stored(reports, "UTC") == right
    assert await differences(reports) == []


async def test_the_daily_check_compares_the_last_days(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    for days in (1, 20):
        hours = (datetime.now(UTC) - START) / timedelta(hours=1) - 24 * days
        await reports.used(esim, hours, 5 * MB, assignment=f"{days}")
    await sum_all(reports)
    await reports.admin.execute("update esims.usage_by_day set bytes = bytes + 1")
    with metrics.separate_registry() as registry:
        await UsageCheck(reports.parts.database).round()
        assert registry.get_sample_value("esimgo_usage_differences") == 1
    assert len(await differences(reports)) == 2


async def test_metrics_count_samples_and_bytes_and_how_long_they_wait(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 1, 10 * MB)
    await reports.used(esim, 9, 30 * MB, queried=True)
    with metrics.separate_registry() as registry:
        await sum_all(reports)
        found = {
            key: registry.get_sample_value(f"esimgo_usage_{name}", labels)
            for key, name, labels in (
                ("callbacks", "samples_total", {"source": "callback"}),
                ("reads", "samples_total", {"source": "read"}),
                ("known", "bytes_total", {"known": "true"}),
                ("other", "bytes_total", {"known": "false"}),
                ("lag", "lag_seconds", {}),
            )
        }
        assert found == {
            "callbacks": 1,
            "reads": 1,
            "known": 10 * MB,
            "other": 20 * MB,
            "lag": 0,
        }
        await reports.used(esim, 10, 40 * MB)
        await reports.admin.execute(
            "update esims.usage_samples set received_at = now() - interval '1 hour' where used_bytes = $1",
            40 * MB,
        )
        async with reports.parts.database.system() as connection:
            assert 3600 <= await sum_store.lag(connection) < 3700
