"""Streams of the eSIMs of an organization, until the membership or the assignment ends."""

import asyncio

import pytest

from kit.errors import Failure
from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2 as pb
from tests.component.esims.running import Service
from tests.component.esims.travelers.company import Company
from tests.component.esims.watching import watching
from tests.fixtures.patience import PATIENCE


async def test_a_manager_watches_new_esims_of_the_organization_only(
    service: Service, company: Company, other: Company
) -> None:
    first = await company.deliver()
    token = company.members["MANAGER"].token
    async with watching(service, token=token, organization_id=str(company.id)) as stream:
        assert [w.esim.id for w in await stream.next()] == [first.id]
        await other.deliver()
        second = await company.deliver()
        # The notification of the first may arrive after the stream has begun.
        seen = {first.id}
        while second.id not in seen:
            seen |= {w.esim.id for w in await stream.next()}
        assert seen == {first.id, second.id}


async def test_the_stream_of_a_removed_member_ends(service: Service, company: Company) -> None:
    esim = await company.deliver()
    token = company.members["BUYER"].token
    whole = watching(service, token=token, organization_id=str(company.id))
    one = watching(service, esim, token=token)
    async with whole as of_organization, one as of_esim:
        await of_organization.next()
        await of_esim.next()
        await company.apply("BUYER", 100, active=False)
        for stream, reason in (
            (of_organization, "ORGANIZATION_NOT_FOUND"),
            (of_esim, "ESIM_NOT_FOUND"),
        ):
            with pytest.raises(Failure) as caught:
                while True:
                    await stream.next()
            assert caught.value.reason == reason


async def test_a_traveler_watches_from_the_assignment_until_it_ends(
    service: Service, company: Company
) -> None:
    esim = await company.deliver()
    traveler = company.members["TRAVELER"]
    async with watching(service, token=traveler.token) as stream:
        assert await stream.next() == []
        await company.assign(esim, name="Tara", user_id=str(traveler.id))
        assert {w.esim.id for w in await stream.next()} == {esim.id}
        async with watching(service, esim, token=traveler.token) as named:
            await named.next()
            await company.unassign(esim)
            with pytest.raises(Failure) as caught:
                while True:
                    await named.next()
            assert caught.value.reason == "ESIM_NOT_FOUND"


@pytest.mark.parametrize("fields", [{"esim_ids": True}, {"customer_id": True}])
async def test_an_organization_is_watched_alone(
    service: Service, company: Company, fields: dict[str, bool]
) -> None:
    esim = await company.deliver()
    owner = company.members["OWNER"]
    request = pb.WatchESIMsRequest(
        organization_id=str(company.id),
        esim_ids=[esim.id] if "esim_ids" in fields else [],
        customer_id=str(owner.id) if "customer_id" in fields else None,
    )
    stream = rpc_client.stream(service.stub.WatchESIMs, request, token=owner.token)
    with pytest.raises(Failure) as caught:
        async with asyncio.timeout(PATIENCE):
            await anext(stream)
    assert "organization_id" in caught.value.fields
