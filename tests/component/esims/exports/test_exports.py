"""Exports of eSIMs and usage over gRPC: their rows, who gets them, and requests that are refused."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from kit.db.exports import rows
from kit.db.reports import ReportsDatabase
from kit.errors import Failure
from kit.reports.exports import EVERYTHING
from kit.rpc import client as rpc_client
from protos.common.v1 import days_pb2
from protos.esims.v1 import esims_pb2
from protos.esims.v1 import exports_pb2 as pb
from services.esims.exports import esim_rows, usage_rows
from services.esims.reports.wiring import NEEDS
from services.esims.usage.plans import plan_id
from tests.component.esims.running import BUNDLE, Service
from tests.component.esims.travelers.company import found as company_of
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases

ALWAYS = days_pb2.DayRange(from_day="2000-01-01", to_day="2999-12-31")
UNLIMITED = "esim_UL_1D_GB_V2"


@pytest.fixture
async def finance(service: Service) -> str:
    return await service.auth.token("fay@example.com", role="finance")


async def messages(service: Service, token: str, request: Any) -> list[Any]:
    name = type(request).__name__.removesuffix("Request")
    stream = rpc_client.stream(getattr(service.exports, name), request, token=token)
    return [message async for message in stream]


async def esims(service: Service, token: str, **fields: Any) -> list[pb.ESIMRow]:
    found = await messages(service, token, pb.ExportESIMsRequest(**fields))
    assert found[0].HasField("head")
    return [row for message in found for row in message.rows]


async def usage(service: Service, token: str, **fields: Any) -> list[pb.UsageRow]:
    fields.setdefault("range", ALWAYS)
    found = await messages(service, token, pb.ExportUsageRequest(**fields))
    assert found[0].HasField("head")
    return [row for message in found for row in message.rows]


async def summed(service: Service, token: str, used: int) -> list[pb.UsageRow]:
    """Return the export when that many bytes are summed."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await usage(service, token)
            if sum(row.bytes for row in found) == used:
                return found
            await asyncio.sleep(0.05)


async def refusal(call: Any) -> Failure:
    with pytest.raises(Failure) as refused:
        await call
    return refused.value


async def use(service: Service, esim: esims_pb2.ESIM, megabytes: int) -> None:
    await service.device(esim, "use-data", megabytes=megabytes, country="GB")
    await service.usage_from_now(esim)


async def test_an_esim_has_its_bundles_and_its_use(service: Service, finance: str) -> None:
    (used,) = await service.deliver()
    (new,) = await service.deliver(bundle=UNLIMITED, bundle_name=UNLIMITED)
    await use(service, used, 100)
    await use(service, used, 150)
    found = {row.id: row for row in await esims(service, finance)}
    assert set(found) == {used.id, new.id}
    row = found[used.id]
    assert (row.iccid, row.order_id, row.bundle_name) == (used.iccid, used.order_id, BUNDLE)
    assert (row.bundles, row.unlimited_bundles, row.revoked_bundles) == (1, 0, 0)
    assert (row.initial_bytes, row.used_bytes) == (1_000_000_000, 250_000_000)
    assert (row.customer_id, row.status) == (str(service.customer), "ACTIVE")
    assert row.HasField("first_used_at")
    assert not found[new.id].HasField("first_used_at")
    assert row.created_day == row.created_at.ToDatetime().date().isoformat()
    by_day = await summed(service, finance, 250_000_000)
    assert {(one.bundle_name, one.plan_id, one.organization_id) for one in by_day} == {
        (BUNDLE, str(plan_id(BUNDLE)), "")
    }
    assert sum(one.samples for one in by_day) == 2  # on two days if midnight has passed
    # After its erasure, the eSIM is no one's.
    await service.databases.admin.execute("update esims.esims set customer_id = $1", UUID(int=0))
    assert {row.customer_id for row in await esims(service, finance)} == {""}


async def test_a_removed_bundle_is_revoked_unless_it_had_ended(
    service: Service, finance: str
) -> None:
    (esim,) = await service.deliver()
    await use(service, esim, 1000)
    for state, expected in (("depleted", (0, 10**9)), ("lapsed", (0, 10**9)), ("active", (1, 0))):
        await service.databases.admin.execute(
            "update esims.esim_bundles set state = $1, absent_since = now()", state
        )
        [row] = await esims(service, finance)
        assert (row.revoked_bundles, row.used_bytes) == expected


async def test_no_export_has_an_activation_code(service: Service, finance: str) -> None:
    company = await company_of(service, "acme")
    await service.deliver(quantity=3)
    await company.deliver()
    await service.databases.admin.execute("update esims.esims set msisdn = '4915112345678'")
    rows = await service.databases.admin.fetch("select * from esims.esims")
    sent = b"".join(
        [
            message.SerializeToString()
            for request in (pb.ExportESIMsRequest(), pb.ExportUsageRequest(range=ALWAYS))
            for message in await messages(service, finance, request)
        ]
    )
    assert all(row["iccid"].encode() in sent for row in rows)
    secrets = {row[name] for row in rows for name in ("matching_id", "smdp_address", "msisdn")}
    assert len(secrets) >= 6
    assert not [secret for secret in secrets if secret.encode() in sent]


async def test_an_organization_exports_its_own(service: Service, finance: str) -> None:
    acme, other = await company_of(service, "acme"), await company_of(service, "globex")
    own, foreign = await acme.deliver(), await other.deliver()
    (private,) = await service.deliver()
    await service.databases.admin.execute("update esims.esims set customer_ref = 'my words'")
    for role in ("OWNER", "MANAGER", "FINANCE"):
        token = acme.members[role].token
        [row] = await esims(service, token, organization_id=str(acme.id))
        assert (row.id, row.customer_reference) == (own.id, "my words")
        assert not await usage(service, token, organization_id=str(acme.id))
    for role in ("BUYER", "TRAVELER"):
        token = acme.members[role].token
        for export in (esims, usage):
            failed = await refusal(export(service, token, organization_id=str(acme.id)))
            assert failed.reason == "MEMBER_ROLE_INSUFFICIENT"
    for export in (esims, usage):
        stranger = other.members["OWNER"].token
        failed = await refusal(export(service, stranger, organization_id=str(acme.id)))
        assert failed.reason == "ORGANIZATION_NOT_FOUND"
        for token in (stranger, service.token):
            assert (await refusal(export(service, token))).reason == "FORBIDDEN"
    assert [row.id for row in await esims(service, finance, organization_id=str(acme.id))] == [
        own.id
    ]
    everything = {row.id: row for row in await esims(service, finance)}
    assert set(everything) == {own.id, foreign.id, private.id}
    # It is a reference of a person, not of an organization.
    assert everything[private.id].customer_reference == ""


async def test_a_member_who_left_exports_nothing(service: Service) -> None:
    acme = await company_of(service, "acme")
    await acme.apply("FINANCE", 100, active=False)
    token = acme.members["FINANCE"].token
    failed = await refusal(esims(service, token, organization_id=str(acme.id)))
    assert failed.reason == "ORGANIZATION_NOT_FOUND"


async def test_another_zone_is_refused_with_one_that_works(service: Service, finance: str) -> None:
    await service.databases.until("select exists (select from esims.usage_zones)")
    failed = await refusal(usage(service, finance, time_zone="Asia/Kolkata"))
    assert (failed.kind.name, failed.reason) == ("INVALID", "TIME_ZONE_NOT_SUMMED")
    assert "export it in UTC" in failed.fields["time_zone"]
    assert failed.details["time_zone"] == "UTC"
    # eSIMs can be exported in any zone.
    assert await esims(service, finance, time_zone="Asia/Kolkata") == []
    failed = await refusal(usage(service, finance, range=None))
    assert "must be a day such as" in failed.fields["range.from"]
    # Days whose samples were deleted before the zone was added are not whole.
    await service.databases.admin.execute(
        "update esims.usage_zones set complete_from = '2026-11-02'"
    )
    for first, complete in (("2026-11-01", False), ("2026-11-02", True)):
        request = pb.ExportUsageRequest(
            range=days_pb2.DayRange(from_day=first, to_day="2026-11-03")
        )
        [head] = await messages(service, finance, request)
        assert head.head.complete is complete


@pytest.mark.parametrize("query", [esim_rows.ALL, usage_rows.ALL])
async def test_the_login_of_reports_reads_every_export(query: str, databases: Databases) -> None:
    url = databases.server.url(databases.name, "esims_reports")
    async with databases.open("esims") as database:
        reading = ReportsDatabase(database, url, owner="esims", needs=NEEDS)
        try:
            async with reading.snapshot() as connection:
                days = (EVERYTHING.first, EVERYTHING.last, "UTC")
                assert [batch async for batch in rows(connection, "test", query, *days)] == []
        finally:
            await reading.close()


@pytest.mark.parametrize(
    "secret",
    [
        *(
            "matching_id from esims.esims",
            "smdp_address from esims.esims",
            "msisdn from esims.esims",
        ),
        *("email from esims.travelers", "user_id from esims.memberships"),
    ],
)
async def test_the_login_of_reports_reads_no_secret(secret: str, databases: Databases) -> None:
    login = await asyncpg.connect(databases.server.url(databases.name, "esims_reports"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.fetch(f"select {secret}")
    finally:
        await login.close()


async def test_quantities_that_no_bundle_has_prevent_no_export(
    service: Service, finance: str
) -> None:
    odd, usual = await service.deliver(2)
    most = 2**63 - 1
    row = {"bundleState": "active", "initialQuantity": most, "remainingQuantity": most}
    rows = [row | {"id": "7"}, row | {"id": "8", "remainingQuantity": 0}]
    body = {"bundles": [{"name": BUNDLE, "assignments": rows}]}
    fault = {"path": f"/esims/{odd.iccid}/bundles", "status": 200, "body": body}
    await service.provider.control("POST", "/faults", fault)
    assert len(await service.bundles(odd)) == 2
    found = {row.id: row for row in await esims(service, finance)}
    assert set(found) == {odd.id, usual.id}
    assert (found[odd.id].bundles, found[odd.id].initial_bytes) == (2, 0)
