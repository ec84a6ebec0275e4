"""Impossible times: none is stored, old stored ones break nothing, one bad eSIM blocks no other."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from migrations import files
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import events_pb2
from tests.component.esims.parts import Parts, wired
from tests.component.esims.running import BUNDLE, Service
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import ProviderSandbox

TIMES_OF_ESIM = (
    "assigned_date", "activated_at", "deletion_announced_at", "profile_status_at",
    "message_failed_at", "code_assigned_at", "installed_at",
)  # fmt: skip
TIMES_OF_BUNDLE = ("assigned_at", "started_at", "ends_at")
GB = 10**9
IMPOSSIBLE = ("-infinity", "infinity", "0001-01-01 00:00:00+00", "9999-12-31 23:59:59+00")
MIGRATION = "026_forget_impossible_times"


async def poison(databases: Databases, iccid: str, time: str) -> None:
    """Write what an older version stored for a callback with such a time."""
    admin = databases.admin
    esim = await admin.fetchval("select id from esims.esims where iccid = $1", iccid)
    for table, column, names in (
        ("esims", "id", TIMES_OF_ESIM),
        ("esim_bundles", "esim_id", TIMES_OF_BUNDLE),
    ):
        values = ", ".join(f"{name} = '{time}'" for name in names)
        await admin.execute(f"update esims.{table} set {values} where {column} = $1", esim)  # noqa: S608 - constants


async def apply(
    service: Service,
    esim: pb.ESIM,
    outcome: events_pb2.EventOutcome.ValueType = events_pb2.EVENT_OUTCOME_APPLIED,
    **change: Any,
) -> None:
    received = Timestamp()
    received.GetCurrentTime()
    event = events_pb2.ProviderEvent(
        event_id=str(uuid4()), received_at=received, iccid=esim.iccid, **change
    )
    request = events_pb2.ApplyEventsRequest(events=[event])
    answer = await service.ask(service.stub.ApplyEvents, request, service.auth.service_role_key)
    assert answer.results[0].outcome == outcome


@pytest.mark.parametrize("time", IMPOSSIBLE)
async def test_an_implausible_stored_time_breaks_no_response_and_no_refresh(
    service: Service, time: str
) -> None:
    poisoned, sound = await service.deliver(2)
    await service.bundles(poisoned, sound)
    await poison(service.databases, poisoned.iccid, time)
    listed = (await service.ask(service.stub.ListESIMs, pb.ListESIMsRequest())).esims
    assert {esim.id for esim in listed} == {poisoned.id, sound.id}
    by_id = {esim.id: esim for esim in listed}
    assert not by_id[poisoned.id].HasField("deletion_date")
    for esim in (poisoned, sound):
        await service.device(esim, "use-data", megabytes=100)
    await service.age(400)
    bundles = {b.esim_id: b for b in await service.bundles(poisoned, sound)}
    assert [b.data_remaining_mb for b in bundles.values()] == [900, 900]
    assert bundles[poisoned.id].HasField("end_date")
    await apply(service, poisoned, profile_changed=events_pb2.ProfileChanged(profile_status="X"))
    assert (await service.get(poisoned)).profile_status == "X"


@pytest.mark.parametrize("seconds", [-62135596800, 253402300799, 10**15, -(10**15), 0])
async def test_no_event_stores_an_implausible_time(service: Service, seconds: int) -> None:
    (esim,) = await service.deliver()
    await service.bundles(esim)
    odd = Timestamp(seconds=seconds)
    before = datetime.now(UTC) - timedelta(minutes=1)
    await apply(service, esim, activated=events_pb2.Activated(date=odd))
    await apply(service, esim, message_failed=events_pb2.MessageFailed(date=odd))
    await apply(service, esim, deletion_scheduled=events_pb2.DeletionScheduled(announced_date=odd))
    await apply(
        service, esim, profile_changed=events_pb2.ProfileChanged(profile_status="A", date=odd)
    )
    code = events_pb2.CodeAssigned(activation_code="LPA:1$a.example$B", date=odd)
    await apply(service, esim, code_assigned=code)
    (bundle,) = await service.bundles(esim)
    use = events_pb2.BundleUse(
        assignment_id=bundle.id, name=BUNDLE, remaining_bytes=5, start_date=odd, end_date=odd
    )
    await apply(service, esim, bundle_use=use)
    row = await service.databases.admin.fetchrow("select * from esims.esims")
    assert row is not None
    for name in TIMES_OF_ESIM:
        assert row[name] is None or row[name] > before, name  # the time of reception
    stored = await service.databases.admin.fetchrow("select * from esims.esim_bundles")
    assert stored is not None
    assert (stored["started_at"], stored["ends_at"], stored["remaining_bytes"]) == (None, None, 5)


async def test_a_bundle_does_not_end_when_it_starts(service: Service) -> None:
    (esim,) = await service.deliver()
    start = datetime.now(UTC) - timedelta(minutes=1)
    begun = Timestamp()
    begun.FromDatetime(start)
    same = {"startTime": start.isoformat(), "endTime": start.isoformat()}
    row = {"id": "7", "bundleState": "active", "initialQuantity": GB, "remainingQuantity": GB}
    body = {"bundles": [{"name": BUNDLE, "assignments": [row | same]}]}
    fault = {"path": "/esims/*/bundles", "status": 200, "body": body}
    await service.provider.control("POST", "/faults", fault)
    (bundle,) = await service.bundles(esim)
    assert bundle.state == pb.BUNDLE_STATE_ACTIVE
    assert not bundle.HasField("end_date")
    use = events_pb2.BundleUse(
        assignment_id="7", name=BUNDLE, remaining_bytes=5, start_date=begun, end_date=begun
    )
    await apply(service, esim, bundle_use=use)
    (bundle,) = await service.bundles(esim)
    assert (bundle.state, bundle.remaining_bytes) == (pb.BUNDLE_STATE_ACTIVE, 5)


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=400)])
async def test_a_bundle_in_use_does_not_start_in_the_future(
    service: Service, ahead: timedelta
) -> None:
    used, announced = await service.deliver(2)
    bundles = {bundle.esim_id: bundle.id for bundle in await service.bundles(used, announced)}
    await service.provider.control(
        "POST", "/faults", {"path": "/esims/*", "status": 500, "count": 0}
    )
    start, end = Timestamp(), Timestamp()
    start.FromDatetime(datetime.now(UTC) + ahead)
    end.FromDatetime(datetime.now(UTC) + ahead + timedelta(days=7))
    use = events_pb2.BundleUse(
        assignment_id=bundles[used.id],
        name=BUNDLE,
        remaining_bytes=5,
        start_date=start,
        end_date=end,
    )
    began = events_pb2.BundleActivated(name=BUNDLE, start_date=start, end_date=end)
    await apply(service, used, bundle_use=use)
    await apply(
        service, announced, outcome=events_pb2.EVENT_OUTCOME_READ_QUEUED, bundle_activated=began
    )
    stored = await service.databases.admin.fetch("select * from esims.esim_bundles")
    assert {(b["state"], b["started_at"], b["ends_at"]) for b in stored} == {("active", None, None)}


async def test_a_report_dated_in_the_future_does_not_shadow_later_reports(service: Service) -> None:
    (esim,) = await service.deliver()
    later = Timestamp()
    later.FromDatetime(datetime.now(UTC) + timedelta(days=2))
    await apply(
        service, esim, profile_changed=events_pb2.ProfileChanged(profile_status="A", date=later)
    )
    await apply(service, esim, profile_changed=events_pb2.ProfileChanged(profile_status="B"))
    assert (await service.get(esim)).profile_status != "A"


async def test_the_migration_clears_implausible_times_and_queues_those_esims_for_refresh(
    databases: Databases, provider: ProviderSandbox
) -> None:
    (migration,) = [m for m in files.find() if m.name == MIGRATION]
    async with wired(databases, provider) as parts:
        esims = await parts.deliver(3)
        await parts.fetcher.refresh_all(esims)
        await databases.admin.execute("update esims.esims set follow_at = null")
        sound = await rows(databases, esims[2].id)
        for esim, time in zip(esims, ("-infinity", "9999-12-31 23:59:59+00"), strict=False):
            await poison(databases, esim.iccid, time)
        await databases.admin.execute(
            "update esims.esims set follow_at = 'infinity' where id = $1", esims[1].id
        )
        await databases.admin.execute(migration.sql)
        for esim in esims[:2]:
            stored, bundle = await rows(databases, esim.id)
            assert [stored[name] for name in TIMES_OF_ESIM] == [None] * len(TIMES_OF_ESIM)
            assert [bundle[name] for name in TIMES_OF_BUNDLE] == [None] * len(TIMES_OF_BUNDLE)
            assert stored["follow_at"] <= datetime.now(UTC)
        assert await rows(databases, esims[2].id) == sound


async def rows(databases: Databases, esim_id: UUID) -> tuple[Any, Any]:
    return (
        await databases.admin.fetchrow("select * from esims.esims where id = $1", esim_id),
        await databases.admin.fetchrow(
            "select * from esims.esim_bundles where esim_id = $1", esim_id
        ),
    )


async def test_one_esim_that_cannot_be_recorded_is_logged_and_blocks_no_other(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    broken, *sound = await parts.deliver(3)
    for esim in (broken, *sound):
        await parts.provider.control("POST", f"/esims/{esim.iccid}/use-data", {"megabytes": 1})
    await parts.databases.admin.execute(
        f"""create function fail() returns trigger language plpgsql as
        $$ begin if new.id = '{broken.id}' then raise exception 'a fault'; end if;
        return new; end $$"""
    )
    await parts.databases.admin.execute(
        "create trigger fail before update on esims.esims for each row execute function fail()"
    )
    with caplog.at_level(logging.ERROR):
        await parts.fetcher.refresh([broken, *sound])
    assert [await parts.status(esim.id) for esim in sound] == ["ACTIVE", "ACTIVE"]
    assert await parts.status(broken.id) == "ASSIGNED"
    assert any(str(broken.id) in message for message in caplog.messages)
