"""Access rules of the travelers service: callers without a session, customers, and members."""

from uuid import uuid4

import pytest
from google.protobuf.message import Message

from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import travelers_pb2 as tpb
from services.esims.travelers.access import ACCESS
from tests.component.esims.running import Service
from tests.component.esims.travelers.company import Company
from tests.component.esims.travelers.links import create
from tests.fixtures.patience import PATIENCE

OF_SERVICES = {"OpenShareLink", "ApplyMemberships", "EraseTravelers"}


def requests(esim: pb.ESIM, token: str, link_id: str) -> dict[str, Message]:
    """A valid request of each method."""
    membership = tpb.Membership(
        organization_id=esim.organization_id,
        user_id=str(uuid4()),
        role="OWNER",
        active=True,
        version=1,
    )
    return {
        "AssignESIM": tpb.AssignESIMRequest(esim_id=esim.id, traveler=pb.Traveler(name="Kim")),
        "UnassignESIM": tpb.UnassignESIMRequest(esim_id=esim.id),
        "ListTravelers": tpb.ListTravelersRequest(organization_id=esim.organization_id),
        "BatchGetTravelers": tpb.BatchGetTravelersRequest(traveler_ids=[str(uuid4())]),
        "CreateShareLink": tpb.CreateShareLinkRequest(esim_id=esim.id),
        "ListShareLinks": tpb.ListShareLinksRequest(esim_id=esim.id),
        "RevokeShareLink": tpb.RevokeShareLinkRequest(share_link_id=link_id),
        "ShowShareLinkCode": tpb.ShowShareLinkCodeRequest(share_link_id=link_id),
        "OpenShareLink": tpb.OpenShareLinkRequest(token=token),
        "ApplyMemberships": tpb.ApplyMembershipsRequest(memberships=[membership]),
        "EraseTravelers": tpb.EraseTravelersRequest(emails=["zoe@example.com"]),
    }


async def test_without_a_session_every_method_refuses(service: Service, company: Company) -> None:
    esim = await company.deliver()
    link = await create(company, esim)
    calls = requests(esim, link.token, link.link.id)
    assert set(calls) == set(ACCESS)
    for name, request in calls.items():
        for token in (None, "nonsense", link.token):
            with pytest.raises(Failure) as caught:
                await rpc_client.call(
                    getattr(service.travelers, name), request, token=token, timeout=PATIENCE
                )
            assert caught.value.kind is Kind.UNAUTHENTICATED, name


async def test_methods_of_services_refuse_people(service: Service, company: Company) -> None:
    esim = await company.deliver()
    link = await create(company, esim)
    calls = requests(esim, link.token, link.link.id)
    for name in OF_SERVICES:
        for token in (company.members["OWNER"].token, service.token, service.admin):
            with pytest.raises(Failure) as caught:
                await service.ask(getattr(service.travelers, name), calls[name], token)
            assert caught.value.kind is Kind.FORBIDDEN, name


async def test_a_person_outside_the_organization_changes_nothing(
    service: Service, company: Company
) -> None:
    esim = await company.assign(await company.deliver(), name="Zoë")
    link = await create(company, esim)
    for name, request in requests(esim, link.token, link.link.id).items():
        if name in OF_SERVICES:
            continue
        if name == "BatchGetTravelers":
            request = tpb.BatchGetTravelersRequest(traveler_ids=[esim.traveler.id])
            answer = await service.ask(service.travelers.BatchGetTravelers, request)
            assert not answer.travelers
            continue
        with pytest.raises(Failure) as caught:
            await service.ask(getattr(service.travelers, name), request)
        assert caught.value.kind is Kind.NOT_FOUND, name
    token = company.members["OWNER"].token
    now = await service.ask(service.stub.GetESIM, pb.GetESIMRequest(esim_id=esim.id), token)
    assert now.esim.traveler == esim.traveler


async def test_an_administrator_may_do_all_of_it(service: Service, company: Company) -> None:
    esim = await company.deliver()
    for name in set(ACCESS) - OF_SERVICES:
        link = await create(company, esim)
        request = requests(esim, link.token, link.link.id)[name]
        await service.ask(getattr(service.travelers, name), request, service.admin)
        if name == "CreateShareLink":
            continue
        revoke = tpb.RevokeShareLinkRequest(share_link_id=link.link.id)
        await service.ask(service.travelers.RevokeShareLink, revoke, service.admin)
