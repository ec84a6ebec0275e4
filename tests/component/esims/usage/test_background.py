"""The service sums usage in the background, and counts what it used."""

import asyncio

import pytest

from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from protos.esims.v1 import reports_pb2 as pb
from tests.component.esims.running import Service


async def test_the_service_sums_what_is_used(service: Service) -> None:
    (esim,) = await service.deliver()
    await service.device(esim, "use-data", megabytes=5)
    await service.bundles(esim)
    admin = service.databases.admin
    while not (rows := await admin.fetch("select * from esims.usage_by_day")):
        await asyncio.sleep(0.1)
    (row,) = rows
    assert (row["time_zone"], row["bytes"], row["samples"]) == ("UTC", 5_000_000, 1)
    # The work on older eSIMs is done at once, as there are none.
    while not await admin.fetchval("select older_done from esims.usage_state"):
        await asyncio.sleep(0.1)


async def test_the_finance_staff_sums_usage_again(service: Service) -> None:
    finance = await service.auth.token("fin@example.com", role="finance")
    support = await service.auth.token("sue@example.com", role="support")
    admin = service.databases.admin
    (esim,) = await service.deliver()
    await service.device(esim, "use-data", megabytes=5)
    await service.bundles(esim)
    while not await admin.fetchval("select count(*) from esims.usage_by_day"):
        await asyncio.sleep(0.1)

    async def rebuild(token: str, *, check: bool) -> list[pb.RebuildUsageResponse]:
        request = pb.RebuildUsageRequest(check=check)
        answers = rpc_client.stream(service.reports.RebuildUsage, request, token=token)
        return [answer async for answer in answers]

    (unchanged,) = await rebuild(finance, check=True)
    assert unchanged.summary == pb.RebuildUsageSummary(days=1, differences=0)
    await admin.execute("update esims.usage_by_day set bytes = 1")
    for check in (True, False):
        difference, summary = await rebuild(finance, check=check)
        assert (summary.summary.days, summary.summary.differences) == (1, 1)
        assert difference.difference.time_zone == "UTC"
        assert "1 bytes and 0 visits, but the samples have 5000000" in difference.difference.message
    assert await admin.fetchval("select bytes from esims.usage_by_day") == 5_000_000
    for token in (support, service.token):
        with pytest.raises(Failure) as caught:
            await rebuild(token, check=True)
        assert caught.value.kind is Kind.FORBIDDEN
