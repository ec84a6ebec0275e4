"""Reports of an organization: its own figures, for those of its members who may see them."""

import pytest

from kit.errors import Failure
from protos.common.v1 import days_pb2
from protos.esims.v1 import esims_pb2
from protos.esims.v1 import reports_pb2 as pb
from tests.component.esims.reports.reading import days, summed, usage
from tests.component.esims.running import Service
from tests.component.esims.travelers.company import Company
from tests.component.esims.travelers.company import found as company_of

ORGANIZATION = pb.USAGE_DIMENSION_ORGANIZATION


async def test_an_organization_sees_the_usage_of_its_own_esims(
    service: Service, support: str
) -> None:
    acme = await company_of(service, "acme")
    other = await company_of(service, "globex")
    for company, used in ((acme, 30), (other, 70)):
        esim = await company.deliver()
        await service.device(esim, "use-data", megabytes=used)
        await refreshed(service, company, esim)
    await summed(service, support, 100_000_000)
    request = pb.GetOrganizationUsageRequest(
        organization_id=str(acme.id), range=days(), interval=days_pb2.INTERVAL_RANGE
    )
    method = service.reports.GetOrganizationUsage
    for role in ("OWNER", "MANAGER", "FINANCE"):
        answer = await service.ask(method, request, acme.members[role].token)
        assert answer.report.totals.bytes == 30_000_000
    assert (await service.ask(method, request, support)).report.rows == answer.report.rows
    for role in ("BUYER", "TRAVELER"):
        with pytest.raises(Failure) as refused:
            await service.ask(method, request, acme.members[role].token)
        assert refused.value.reason == "MEMBER_ROLE_INSUFFICIENT"
    for token in (other.members["OWNER"].token, service.stranger):
        with pytest.raises(Failure) as refused:
            await service.ask(method, request, token)
        assert refused.value.reason == "ORGANIZATION_NOT_FOUND"
    request.group_by.append(ORGANIZATION)
    request.filter.organization_ids.append(str(other.id))
    with pytest.raises(Failure) as refused:
        await service.ask(method, request, acme.members["OWNER"].token)
    assert set(refused.value.fields) == {"group_by[0]", "filter.organization_ids"}
    whole = await usage(service, support, group_by=[ORGANIZATION])
    assert {row.groups[0].value: row.figures.bytes for row in whole.rows} == {
        str(other.id): 70_000_000,
        str(acme.id): 30_000_000,
    }


async def test_an_organization_sees_what_became_of_its_own_esims(
    service: Service, support: str
) -> None:
    acme, other = await company_of(service, "acme"), await company_of(service, "globex")
    await service.deliver()
    for company, number in ((acme, 1), (other, 2)):
        for _ in range(number):
            await refreshed(service, company, await company.deliver())
    await service.databases.admin.execute(
        "update esims.esims set deletion_announced_at = now() where organization_id = $1", acme.id
    )
    await service.databases.admin.execute(
        "update esims.esim_bundles set state = 'expired', ends_at = now() where organization_id = $1",
        other.id,
    )
    request = pb.GetOrganizationExpiryRequest(organization_id=str(acme.id), range=days())
    method = service.reports.GetOrganizationExpiry
    for role in ("OWNER", "MANAGER", "FINANCE"):
        found = (await service.ask(method, request, acme.members[role].token)).report
        assert (found.delivered, found.never_installed, found.at_risk, found.ended) == (1, 1, 1, 0)
    for role in ("BUYER", "TRAVELER"):
        with pytest.raises(Failure) as refused:
            await service.ask(method, request, acme.members[role].token)
        assert refused.value.reason == "MEMBER_ROLE_INSUFFICIENT"
    for token in (other.members["OWNER"].token, service.stranger):
        with pytest.raises(Failure) as refused:
            await service.ask(method, request, token)
        assert refused.value.reason == "ORGANIZATION_NOT_FOUND"
    request.organization_id = str(other.id)
    found = (await service.ask(method, request, support)).report
    assert (found.delivered, found.at_risk, found.ended, found.ended_unused) == (2, 0, 2, 2)
    request.organization_id = "acme"
    with pytest.raises(Failure) as refused:
        await service.ask(method, request, support)
    assert set(refused.value.fields) == {"organization_id"}
    whole = await service.ask(service.reports.GetExpiry, pb.GetExpiryRequest(range=days()), support)
    assert (whole.delivered, whole.ended, whole.at_risk) == (4, 2, 1)


async def refreshed(service: Service, company: Company, esim: esims_pb2.ESIM) -> None:
    """Let the service see what the eSIM of a company used."""
    request = esims_pb2.BatchListBundlesRequest(esim_ids=[esim.id])
    await service.ask(service.stub.BatchListBundles, request, company.members["OWNER"].token)
