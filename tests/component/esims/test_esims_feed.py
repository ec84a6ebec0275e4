"""Changes of eSIMs that other services read, in the order in which they happened."""

import asyncio

import pytest

from kit.errors import Failure, Kind
from protos.changes.v1 import changes_pb2 as cpb
from protos.esims.v1 import esims_pb2 as pb
from tests.component.esims.running import Service
from tests.component.esims.travelers.company import Company, found


async def read(service: Service, cursor: str = "", wait: int = 0) -> cpb.ReadChangesResponse:
    request = cpb.ReadChangesRequest(cursor=cursor, limit=1_000, wait_seconds=wait)
    answer: cpb.ReadChangesResponse = await service.ask(
        service.changes.ReadChanges, request, service.auth.service_role_key
    )
    return answer


async def test_the_changes_of_an_esim_are_reported_in_order(service: Service) -> None:
    company: Company = await found(service, "acme")
    (other,) = await service.deliver()
    esim = await company.deliver(customer_ref="secret trip")
    named = await company.assign(esim, name="Zoë", email="zoe@example.com")
    token = company.members["OWNER"].token
    suspend = pb.SuspendESIMRequest(esim_id=esim.id)
    await service.ask(service.stub.SuspendESIM, suspend, token)
    rename = pb.UpdateESIMReferenceRequest(esim_id=esim.id, reference="other")
    await service.ask(service.stub.UpdateESIMReference, rename, token)
    answer = await read(service)
    mine = [change for change in answer.changes if change.subject_id == esim.id]
    assert {change.type for change in answer.changes} == {"esim"}
    assert {change.subject_id for change in answer.changes} == {esim.id, other.id}
    assert [(c.body["status"], c.body["traveler_id"]) for c in mine] == [
        ("ASSIGNED", None),
        ("ASSIGNED", named.traveler.id),
        ("SUSPENDED", named.traveler.id),
    ]
    assert [change.version for change in mine] == sorted({change.version for change in mine})
    assert {(c.organization_id, c.customer_id) for c in mine} == {
        (esim.organization_id, esim.customer_id)
    }
    text = answer.SerializeToString()
    for secret in (esim.matching_id, "Zoë", "zoe@example.com", "secret trip"):
        assert secret.encode() not in text
    assert not (await read(service, answer.cursor)).changes


async def test_a_reader_waits_for_the_next_change(service: Service) -> None:
    cursor = (await read(service)).cursor
    waiting = asyncio.create_task(read(service, cursor, wait=20))
    (esim,) = await service.deliver()
    assert [change.subject_id for change in (await waiting).changes] == [esim.id]


async def test_only_services_read_changes(service: Service) -> None:
    for token in (service.token, service.admin):
        with pytest.raises(Failure) as caught:
            await service.ask(service.changes.ReadChanges, cpb.ReadChangesRequest(), token)
        assert caught.value.kind is Kind.FORBIDDEN
