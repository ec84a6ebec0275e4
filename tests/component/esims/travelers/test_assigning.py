"""Giving eSIMs to travelers: by whom, to whom, and what ends with it."""

from typing import Any
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import travelers_pb2 as tpb
from tests.component.esims.running import Service
from tests.component.esims.travelers.company import ROLES, Company
from tests.component.esims.travelers.links import create, links


@pytest.mark.parametrize("role", ROLES)
async def test_who_may_change_an_esim_assigns_it(company: Company, role: str) -> None:
    bought = await company.deliver("BUYER")
    owners = await company.deliver("OWNER")
    may = {"OWNER": (bought, owners), "MANAGER": (bought, owners), "BUYER": (bought,)}.get(role, ())
    for esim in (bought, owners):
        if esim in may:
            named = await company.assign(esim, role, name="Kim", email="kim@example.com")
            assert (named.traveler.name, named.traveler.email) == ("Kim", "kim@example.com")
            assert not (await company.unassign(esim, role)).HasField("traveler")
        else:
            for act in (company.assign(esim, role, name="Kim"), company.unassign(esim, role)):
                with pytest.raises(Failure) as caught:
                    await act
                assert caught.value.reason == "ESIM_NOT_FOUND"


async def test_a_traveler_may_not_pass_the_esim_on(company: Company) -> None:
    esim = await company.deliver()
    traveler = company.members["TRAVELER"]
    await company.assign(esim, name="Tara", user_id=str(traveler.id))
    for act in (company.assign(esim, "TRAVELER", name="Kim"), company.unassign(esim, "TRAVELER")):
        with pytest.raises(Failure) as caught:
            await act
        assert caught.value.reason == "TRAVELER_MAY_ONLY_READ"


async def test_assigning_again_changes_nothing(service: Service, company: Company) -> None:
    esim = await company.deliver()
    first = await company.assign(esim, name="Kim", email="kim@example.com")
    link = await create(company, esim)
    again = await company.assign(esim, "MANAGER", name=" kim ", email="KIM@example.com")
    assert again == first
    assert [one.status for one in await links(company, esim)] == [tpb.SHARE_LINK_STATUS_ACTIVE]
    for _ in range(2):
        freed = await company.unassign(esim)
        assert not freed.HasField("traveler")
    assert [(one.id, one.status) for one in await links(company, esim)] == [
        (link.link.id, tpb.SHARE_LINK_STATUS_REVOKED)
    ]


async def test_links_end_when_another_person_gets_the_esim(company: Company) -> None:
    esim = await company.deliver()
    await company.assign(esim, name="Kim")
    await create(company, esim)
    await company.assign(esim, name="Zoë")
    assert [one.status for one in await links(company, esim)] == [tpb.SHARE_LINK_STATUS_REVOKED]


async def test_a_customer_names_who_travels_with_their_own_esim(service: Service) -> None:
    (esim,) = await service.deliver()
    request = tpb.AssignESIMRequest(esim_id=esim.id, traveler=pb.Traveler(name="Mum"))
    named = (await service.ask(service.travelers.AssignESIM, request)).esim
    assert named.traveler.name == "Mum"
    listed = await service.ask(service.travelers.ListTravelers, tpb.ListTravelersRequest())
    assert list(listed.travelers) == [named.traveler]
    many = tpb.BatchGetTravelersRequest(traveler_ids=[named.traveler.id])
    for token, expected in ((service.token, [named.traveler]), (service.stranger, [])):
        answer = await service.ask(service.travelers.BatchGetTravelers, many, token)
        assert list(answer.travelers) == expected
        answer = await service.ask(
            service.travelers.ListTravelers, tpb.ListTravelersRequest(), token
        )
        assert list(answer.travelers) == expected
    with pytest.raises(Failure) as caught:
        await service.ask(service.travelers.AssignESIM, request, service.stranger)
    assert caught.value.reason == "ESIM_NOT_FOUND"


@pytest.mark.parametrize(
    ("traveler", "field"),
    [
        ({}, "traveler.name"),
        ({"name": "  "}, "traveler.name"),
        ({"name": "x" * 201}, "traveler.name"),
        ({"name": "a\nb"}, "traveler.name"),
        ({"name": "Kim", "email": "kim"}, "traveler.email"),
        ({"name": "Kim", "email": "@example.com"}, "traveler.email"),
        ({"name": "Kim", "email": "kim @example.com"}, "traveler.email"),
        ({"name": "Kim", "email": f"{'k' * 320}@example.com"}, "traveler.email"),
        ({"name": "Kim", "user_id": "kim"}, "traveler.user_id"),
        ({"name": "Kim", "user_id": str(uuid4())}, "traveler.user_id"),
    ],
)
async def test_a_malformed_traveler_is_refused(
    company: Company, traveler: dict[str, Any], field: str
) -> None:
    esim = await company.deliver()
    with pytest.raises(Failure) as caught:
        await company.assign(esim, **traveler)
    assert (caught.value.kind, list(caught.value.fields)) == (Kind.INVALID, [field])


async def test_an_account_travels_only_for_an_organization_of_which_it_is_a_member(
    service: Service, company: Company, other: Company
) -> None:
    esim = await company.deliver()
    (own,) = await service.deliver()
    await company.apply("FINANCE", 100, active=False)
    for person in (other.members["TRAVELER"], company.members["FINANCE"]):
        with pytest.raises(Failure) as caught:
            await company.assign(esim, name="Kim", user_id=str(person.id))
        assert list(caught.value.fields) == ["traveler.user_id"]
    request = tpb.AssignESIMRequest(
        esim_id=own.id,
        traveler=pb.Traveler(name="Kim", user_id=str(company.members["TRAVELER"].id)),
    )
    with pytest.raises(Failure) as caught:
        await service.ask(service.travelers.AssignESIM, request)
    assert list(caught.value.fields) == ["traveler.user_id"]


@pytest.mark.parametrize("role", ROLES)
async def test_travelers_are_listed_for_managers_by_page(
    service: Service, company: Company, other: Company, role: str
) -> None:
    names = [f"Traveler {number}" for number in range(5)]
    ids = []
    for name in names:
        esim = await company.assign(await company.deliver("OWNER"), name=name)
        ids.append(esim.traveler.id)
    await other.assign(await other.deliver(), name="Foreign")
    token = company.members[role].token
    seen, page = [], ""
    while role in ("OWNER", "MANAGER"):
        request = tpb.ListTravelersRequest(
            organization_id=str(company.id), page_size=2, page_token=page
        )
        answer = await service.ask(service.travelers.ListTravelers, request, token)
        seen += [one.name for one in answer.travelers]
        page = answer.next_page_token
        if not page:
            assert seen == names[::-1]
            break
    many = tpb.BatchGetTravelersRequest(traveler_ids=ids)
    got = await service.ask(service.travelers.BatchGetTravelers, many, token)
    if role in ("OWNER", "MANAGER"):
        assert {one.id for one in got.travelers} == set(ids)
        return
    assert not got.travelers
    request = tpb.ListTravelersRequest(organization_id=str(company.id))
    with pytest.raises(Failure) as caught:
        await service.ask(service.travelers.ListTravelers, request, token)
    assert caught.value.reason == "MEMBER_ROLE_INSUFFICIENT"


async def test_an_organization_is_unknown_to_others(
    service: Service, company: Company, other: Company
) -> None:
    request = tpb.ListTravelersRequest(organization_id=str(company.id))
    for token in (other.members["OWNER"].token, service.stranger):
        with pytest.raises(Failure) as caught:
            await service.ask(service.travelers.ListTravelers, request, token)
        assert caught.value.reason == "ORGANIZATION_NOT_FOUND"
