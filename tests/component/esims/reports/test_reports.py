"""Reports over gRPC: what eSIMs really used, access, bad input, and days whose samples are deleted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kit.db.reports import ReportsDatabase
from kit.errors import Failure
from protos.common.v1 import days_pb2
from protos.esims.v1 import esims_pb2
from protos.esims.v1 import reports_pb2 as pb
from services.esims.reports.wiring import NEEDS
from services.esims.usage.plans import plan_id
from tests.component.esims.reports.reading import days, summed, usage
from tests.component.esims.running import BUNDLE, Service
from tests.fixtures.postgres import Databases

COUNTRY, PLAN, ORGANIZATION = (
    pb.USAGE_DIMENSION_COUNTRY,
    pb.USAGE_DIMENSION_PLAN,
    pb.USAGE_DIMENSION_ORGANIZATION,
)
UNLIMITED = "esim_UL_1D_GB_V2"


async def use(service: Service, esim: esims_pb2.ESIM, megabytes: int) -> None:
    """Use data, and let the service see it."""
    await service.device(esim, "use-data", megabytes=megabytes, country="GB")
    await service.usage_from_now(esim)


async def test_usage_of_a_day_is_what_the_provider_reported(service: Service, support: str) -> None:
    (esim,) = await service.deliver()
    await use(service, esim, 100)
    await use(service, esim, 150)
    (unlimited,) = await service.deliver(bundle=UNLIMITED, bundle_name=UNLIMITED)
    await use(service, unlimited, 50)
    report = await summed(service, support, 250_000_000)
    figures = report.totals
    assert (figures.bytes, figures.known_bytes, figures.samples) == (250_000_000, 250_000_000, 2)
    assert figures.coverage_percent == 100
    assert (figures.bundles_started, figures.unlimited_started) == (2, 1)
    assert [row.figures for row in report.rows] == [figures]
    by_plan = await usage(service, support, group_by=[PLAN, ORGANIZATION])
    assert [
        (row.groups[0].value, row.groups[0].label, row.figures.bytes, row.figures.bundles_started)
        for row in by_plan.rows
    ] == [
        (str(plan_id(BUNDLE)), BUNDLE, 250_000_000, 1),
        (str(plan_id(UNLIMITED)), UNLIMITED, 0, 1),
    ]
    cut = await usage(service, support, group_by=[PLAN], first=1)
    assert [row.other for row in cut.rows] == [False, True]
    assert cut.truncated
    assert cut.totals == figures
    only = await usage(service, support, filter=pb.UsageFilter(plans=[str(plan_id(UNLIMITED))]))
    assert (only.totals.bytes, only.totals.unlimited_started) == (0, 1)
    assert not only.totals.HasField("coverage_percent")
    elsewhere = await usage(service, support, time_zone="Pacific/Kiritimati", range=near())
    assert elsewhere.totals == figures


def near() -> days_pb2.DayRange:
    """Return days that include today in every zone."""
    today = datetime.now(UTC).date()
    return days((today - timedelta(days=1)).isoformat(), (today + timedelta(days=2)).isoformat())


async def test_only_staff_sees_the_usage_of_all(service: Service) -> None:
    for method, request in (
        (service.reports.GetUsage, pb.GetUsageRequest(range=days())),
        (service.reports.GetExpiry, pb.GetExpiryRequest(range=days())),
    ):
        with pytest.raises(Failure) as refused:
            await service.ask(method, request)
        assert refused.value.kind.name == "FORBIDDEN"
        finance = await service.auth.token("fay@example.com", role="finance")
        await service.ask(method, request, finance)


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"range": days("2026-02-01", "2026-01-31")}, "INVALID_ARGUMENT", "range.to"),
    ({"range": days("2026-02-30")}, "INVALID_ARGUMENT", "range.from"),
    ({"time_zone": "Europe/Berlni"}, "INVALID_ARGUMENT", "Europe/Berlin"),
    ({"group_by": [PLAN, PLAN]}, "INVALID_ARGUMENT", "twice"),
    ({"group_by": [9]}, "INVALID_ARGUMENT", "group_by[0]"),
    ({"group_by": [1, 2, 3, 1]}, "INVALID_ARGUMENT", "at most 3"),
    ({"interval": 99}, "INVALID_ARGUMENT", "interval"),
    ({"first": 1001}, "INVALID_ARGUMENT", "first"),
    ({"filter": pb.UsageFilter(organization_ids=["x"])}, "INVALID_ARGUMENT", "organization_ids[0]"),
    ({"filter": pb.UsageFilter(plans=["\x00"])}, "INVALID_ARGUMENT", "plans[0]"),
    (
        {"range": days("2024-01-01", "2026-11-30"), "interval": days_pb2.INTERVAL_DAY},
        "RANGE_TOO_LONG",
        "use the interval WEEK",
    ),
]


async def test_bad_input_is_refused_with_what_would_work(service: Service, support: str) -> None:
    for fields, reason, text in WRONG:
        with pytest.raises(Failure) as refused:
            await usage(service, support, **fields)
        assert (fields, refused.value.reason) == (fields, reason)
        assert text in str(refused.value) + str(refused.value.fields), fields
    with pytest.raises(Failure) as refused:
        request = pb.GetExpiryRequest(range=days("2026-02-01", "2026-01-31"), time_zone="Mars")
        await service.ask(service.reports.GetExpiry, request, support)
    assert set(refused.value.fields) == {"range.to", "time_zone"}
    empty = await usage(service, support, interval=days_pb2.INTERVAL_DAY)
    assert len(empty.rows) == 2
    assert empty.totals == pb.UsageFigures()


async def test_days_whose_samples_are_deleted_need_a_zone_that_is_summed(
    service: Service, support: str
) -> None:
    admin = service.databases.admin
    await admin.execute("update esims.usage_state set kept_since = '2026-06-10T12:00:00Z'")
    await admin.execute(
        "insert into esims.usage_zones values ('UTC', null), ('Asia/Kolkata', '2026-06-11')"
        " on conflict do nothing"
    )
    old = {"range": days("2026-06-01", "2026-06-30"), "interval": days_pb2.INTERVAL_DAY}
    assert len((await usage(service, support, **old)).rows) == 30
    for zone in ("Asia/Kolkata", "Europe/Paris"):
        with pytest.raises(Failure) as refused:
            await usage(service, support, time_zone=zone, **old)
        assert refused.value.reason == "RANGE_TOO_OLD"
        assert "use the time zone UTC, or a range from 2026-06-11 on" in str(refused.value)
    for zone in ("UTC", "Asia/Kolkata", "Europe/Paris"):
        later = await usage(
            service, support, time_zone=zone, range=days("2026-06-11", "2026-06-30")
        )
        assert later.totals == pb.UsageFigures()


async def test_bundles_that_end_count_by_how_much_was_used(service: Service, support: str) -> None:
    used, unused, waiting = await service.deliver(3)
    await service.device(used, "install")
    await use(service, used, 1000)
    (half,) = await service.deliver()
    await use(service, half, 559)
    await service.device(waiting, "install")
    await service.bundles(unused)
    for esim in (half, unused):
        await service.databases.admin.execute(
            "with ended as (update esims.esims set status = 'EXPIRED' where id = $1)"
            " update esims.esim_bundles set state = 'expired', ends_at = now() where esim_id = $1",
            esim.id,
        )
    answer: pb.GetExpiryResponse = await service.ask(
        service.reports.GetExpiry, pb.GetExpiryRequest(range=days()), support
    )
    assert (answer.ended, answer.ended_unused, answer.ended_unknown) == (3, 1, 0)
    assert {one.from_percent: one.bundles for one in answer.shares if one.bundles} == {
        0: 1,
        50: 1,
        90: 1,
    }
    assert len(answer.shares) == 10
    assert (answer.included_bytes, answer.used_bytes) == (3_000_000_000, 1_559_000_000)
    assert (answer.delivered, answer.waiting, answer.at_risk) == (4, 1, 0)
    await service.databases.admin.execute("update esims.esims set deletion_announced_at = now()")
    later: pb.GetExpiryResponse = await service.ask(
        service.reports.GetExpiry, pb.GetExpiryRequest(range=days()), support
    )
    assert later.at_risk == 1


async def test_the_role_of_reports_reads_no_code_and_no_traveler(databases: Databases) -> None:
    login = databases.server.url(databases.name, "esims_reports")
    async with databases.open("esims") as database:
        for url in (None, login):
            reports = ReportsDatabase(database, url, owner="esims", needs=NEEDS)
            async with reports.snapshot() as connection:
                assert await connection.fetchval("select current_user::text") == "esims_reports"
                await connection.fetch("select * from esims.usage_by_day")
                await connection.fetch("select id, installed_at from esims.esims")
            for statement in (
                "select matching_id from esims.esims",
                "select msisdn from esims.esims",
                "select customer_id from esims.esim_bundles",
                "select * from esims.share_links",
                "select * from esims.travelers",
            ):
                with pytest.raises(Exception, match="permission denied"):
                    async with reports.snapshot() as connection:
                        await connection.fetch(statement)
            with pytest.raises(Exception, match=r"does not accept writes|read-only"):
                async with reports.snapshot() as connection:
                    await connection.execute("delete from esims.usage_by_day")
            await reports.close()
