"""What each role of two organizations sees of eSIMs, and may do, over gRPC."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import travelers_pb2 as tpb
from tests.component.esims.running import Service
from tests.component.esims.travelers.company import ROLES, Company, apply
from tests.component.esims.travelers.links import create, links
from tests.fixtures.patience import until

# Whose eSIM each role sees: one that the buyer bought, one that the owner bought, one with a traveler.
SEEN = {
    "OWNER": {"bought", "owners", "traveling"},
    "MANAGER": {"bought", "owners", "traveling"},
    "BUYER": {"bought"},
    "FINANCE": set[str](),
    "TRAVELER": {"traveling"},
}


async def esims_of(company: Company) -> dict[str, pb.ESIM]:
    """Deliver an eSIM for the buyer, one for the owner, and one with the traveler."""
    bought = await company.deliver("BUYER")
    owners = await company.deliver("OWNER", customer_ref="owner's")
    traveling = await company.deliver("OWNER")
    traveler = company.members["TRAVELER"].id
    await company.assign(traveling, name="Tara", user_id=str(traveler))
    return {"bought": bought, "owners": owners, "traveling": traveling}


@pytest.mark.parametrize("role", ROLES)
async def test_a_member_sees_what_their_role_shows(
    service: Service, company: Company, other: Company, role: str
) -> None:
    esims, foreign = await esims_of(company), await esims_of(other)
    ids = [esim.id for esim in (*esims.values(), *foreign.values())]
    expected = {esims[name].id for name in SEEN[role]}
    token = company.members[role].token

    assert set(await company.listed(role)) == expected
    many = pb.BatchGetESIMsRequest(esim_ids=ids)
    answer = await service.ask(service.stub.BatchGetESIMs, many, token)
    assert {esim.id for esim in answer.esims} == expected
    bundles = pb.BatchListBundlesRequest(esim_ids=ids)
    answer = await service.ask(service.stub.BatchListBundles, bundles, token)
    assert {bundle.esim_id for bundle in answer.bundles} == expected
    orders = [esim.order_id for esim in (*esims.values(), *foreign.values())]
    answer = await service.ask(
        service.stub.BatchListOrderESIMs, pb.BatchListOrderESIMsRequest(order_ids=orders), token
    )
    assert {esim.id for esim in answer.esims} == expected
    for esim in (*esims.values(), *foreign.values()):
        asked = pb.GetESIMRequest(esim_id=esim.id)
        if esim.id in expected:
            got = await service.ask(service.stub.GetESIM, asked, token)
            assert got.esim.matching_id
        else:
            with pytest.raises(Failure) as caught:
                await service.ask(service.stub.GetESIM, asked, token)
            assert caught.value.reason == "ESIM_NOT_FOUND"


@pytest.mark.parametrize("role", ROLES)
async def test_a_member_of_another_organization_learns_nothing(
    service: Service, company: Company, other: Company, role: str
) -> None:
    await esims_of(company)
    token = other.members[role].token
    asked = pb.ListESIMsRequest(filter=pb.ESIMFilter(organization_id=str(company.id)))
    unknown = pb.ListESIMsRequest(filter=pb.ESIMFilter(organization_id=str(uuid4())))
    failures = []
    for request in (asked, unknown):
        with pytest.raises(Failure) as caught:
            await service.ask(service.stub.ListESIMs, request, token)
        failures.append((caught.value.kind, caught.value.reason, caught.value.message))
    assert failures[0] == failures[1]
    assert failures[0][:2] == (Kind.NOT_FOUND, "ORGANIZATION_NOT_FOUND")


async def test_own_esims_are_those_bought_for_oneself_and_traveled_with(
    service: Service, company: Company
) -> None:
    esims = await esims_of(company)
    buyer, traveler = company.members["BUYER"], company.members["TRAVELER"]
    (own,) = await service.deliver(customer_id=str(buyer.id))
    for person, expected in ((buyer, {own.id}), (traveler, {esims["traveling"].id})):
        request = pb.ListESIMsRequest(with_total=True)
        answer = await service.ask(service.stub.ListESIMs, request, person.token)
        assert {esim.id for esim in answer.esims} == expected
        assert answer.total_size == 1
    # A person who both bought an eSIM and travels with it sees it once.
    both = await company.deliver("BUYER")
    await company.assign(both, name="Bo", user_id=str(buyer.id))
    answer = await service.ask(
        service.stub.ListESIMs, pb.ListESIMsRequest(with_total=True), buyer.token
    )
    assert ([e.id for e in answer.esims], answer.total_size) == ([both.id, own.id], 2)
    assert await company.listed("BUYER") == [both.id, esims["bought"].id]


async def test_pages_of_a_buyer_hold_each_esim_once(service: Service, company: Company) -> None:
    buyer = company.members["BUYER"]
    expected: list[str] = []
    for number in range(6):
        esim = await company.deliver("BUYER" if number % 2 else "OWNER")
        if number % 3 or number % 2 == 0:
            await company.assign(esim, name="Bo", user_id=str(buyer.id))
        expected.insert(0, esim.id)
    seen, token = [], ""
    while True:
        request = pb.ListESIMsRequest(
            filter=pb.ESIMFilter(organization_id=str(company.id)), page_size=2, page_token=token
        )
        answer = await service.ask(service.stub.ListESIMs, request, buyer.token)
        assert len(answer.esims) <= 2
        seen += [esim.id for esim in answer.esims]
        token = answer.next_page_token
        if not token:
            break
    assert seen == expected


async def test_filters_by_group_and_traveler(service: Service, company: Company) -> None:
    group = str(uuid4())
    grouped = await company.deliver("OWNER", group_id=group)
    named = await company.assign(await company.deliver("BUYER"), name="Kim")
    assert await company.listed("MANAGER", group_id=group) == [grouped.id]
    assert await company.listed("BUYER", group_id=group) == []
    for role, expected in (("MANAGER", [named.id]), ("BUYER", [named.id]), ("TRAVELER", [])):
        assert await company.listed(role, traveler_id=named.traveler.id) == expected
    assert await company.listed("MANAGER", traveler_id=named.traveler.id, group_id=group) == []
    asked = pb.ListESIMsRequest(filter=pb.ESIMFilter(group_id=group))
    with pytest.raises(Failure) as caught:
        await service.ask(service.stub.ListESIMs, asked, company.members["OWNER"].token)
    assert caught.value.fields == {"filter.group_id": "requires filter.organization_id"}


CHANGES: dict[str, Any] = {
    "UpdateESIMReference": lambda i: pb.UpdateESIMReferenceRequest(esim_id=i, reference="x"),
    "SuspendESIM": lambda i: pb.SuspendESIMRequest(esim_id=i),
    "RestoreESIM": lambda i: pb.RestoreESIMRequest(esim_id=i),
}


@pytest.mark.parametrize("method", CHANGES)
async def test_a_traveler_may_not_change_the_esim(
    service: Service, company: Company, method: str
) -> None:
    esims = await esims_of(company)
    request = CHANGES[method](esims["traveling"].id)
    with pytest.raises(Failure) as caught:
        await service.ask(getattr(service.stub, method), request, company.members["TRAVELER"].token)
    assert (caught.value.kind, caught.value.reason) == (Kind.FORBIDDEN, "TRAVELER_MAY_ONLY_READ")
    await service.ask(getattr(service.stub, method), request, company.members["MANAGER"].token)
    bought = CHANGES[method](esims["bought"].id)
    await service.ask(getattr(service.stub, method), bought, company.members["BUYER"].token)


@pytest.mark.parametrize("role", ["OWNER", "MANAGER", "BUYER", "TRAVELER"])
async def test_a_removed_member_sees_nothing_with_the_old_token(
    service: Service, company: Company, role: str
) -> None:
    esims = await esims_of(company)
    token = company.members[role].token
    assert await company.listed(role)
    await company.apply(role, 100, active=False)
    with pytest.raises(Failure) as caught:
        await company.listed(role)
    assert caught.value.reason == "ORGANIZATION_NOT_FOUND"
    ids = [esim.id for esim in esims.values()]
    answer = await service.ask(
        service.stub.BatchGetESIMs, pb.BatchGetESIMsRequest(esim_ids=ids), token
    )
    assert not answer.esims
    answer = await service.ask(service.stub.ListESIMs, pb.ListESIMsRequest(), token)
    assert not answer.esims


async def test_memberships_arrive_in_any_order(service: Service, company: Company) -> None:
    await company.deliver("OWNER")
    await company.apply("MANAGER", 20, active=False)
    await company.apply("MANAGER", 19)  # older
    await company.apply("OWNER", 20, of="MANAGER")  # the same
    with pytest.raises(Failure):
        await company.listed("MANAGER")
    await company.apply("MANAGER", 21)
    assert len(await company.listed("MANAGER")) == 1
    roles = (("TRAVELER", 0), ("BUYER", 0), ("OWNER", 1))
    for version, (role, seen) in enumerate(roles, 22):
        await company.apply(role, version, of="MANAGER")
        assert len(await company.listed("MANAGER")) == seen, role


async def test_a_member_of_two_organizations_sees_each_by_the_role_in_it(
    service: Service, company: Company, other: Company
) -> None:
    one, two = await esims_of(company), await esims_of(other)
    buyer = company.members["BUYER"]
    await apply(service, other.id, buyer.id, "OWNER", 50)
    listed = [(one, company.id, {one["bought"].id}), (two, other.id, {e.id for e in two.values()})]
    for _, organization_id, expected in listed:
        request = pb.ListESIMsRequest(filter=pb.ESIMFilter(organization_id=str(organization_id)))
        answer = await service.ask(service.stub.ListESIMs, request, buyer.token)
        assert {esim.id for esim in answer.esims} == expected


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"role": "KING"}, "memberships[0].role"),
        ({"version": 0}, "memberships[0].version"),
        ({"user_id": "x"}, "memberships[0].user_id"),
        ({"organization_id": ""}, "memberships[0].organization_id"),
    ],
)
async def test_a_malformed_membership_is_refused(
    service: Service, change: dict[str, Any], field: str
) -> None:
    fields: dict[str, Any] = {
        "role": "OWNER",
        "version": 1,
        "user_id": uuid4(),
        "organization_id": uuid4(),
    }
    fields |= change
    with pytest.raises(Failure) as caught:
        await apply(service, fields.pop("organization_id"), **fields)
    assert list(caught.value.fields) == [field]


ACTS: dict[str, Any] = {
    "AssignESIM": lambda esim, link: tpb.AssignESIMRequest(
        esim_id=esim, traveler=pb.Traveler(name="Kim")
    ),
    "UnassignESIM": lambda esim, link: tpb.UnassignESIMRequest(esim_id=esim),
    "CreateShareLink": lambda esim, link: tpb.CreateShareLinkRequest(esim_id=esim),
    "RevokeShareLink": lambda esim, link: tpb.RevokeShareLinkRequest(share_link_id=link),
    "ShowShareLinkCode": lambda esim, link: tpb.ShowShareLinkCodeRequest(share_link_id=link),
}


@pytest.mark.parametrize("method", ACTS)
async def test_an_act_that_waits_sees_the_removal_of_its_member(
    service: Service, company: Company, method: str
) -> None:
    esim = await company.assign(await company.deliver("BUYER"), name="Zoë")
    link = await create(company, esim)
    admin = service.databases.admin
    async with admin.transaction():
        # As a callback of the provider does while it is applied.
        await admin.execute("select from esims.esims where id = $1::text::uuid for update", esim.id)
        act = asyncio.create_task(
            service.ask(
                getattr(service.travelers, method),
                ACTS[method](esim.id, link.link.id),
                company.members["BUYER"].token,
            )
        )
        await until(lambda: waiting_for_a_lock(service))
        await company.apply("BUYER", 100, active=False)
    with pytest.raises(Failure) as caught:
        await act
    assert caught.value.reason == "ESIM_NOT_FOUND"
    request = pb.GetESIMRequest(esim_id=esim.id)
    owner = company.members["OWNER"].token
    now = (await service.ask(service.stub.GetESIM, request, owner)).esim
    assert now.traveler == esim.traveler
    assert [one.status for one in await links(company, esim)] == [tpb.SHARE_LINK_STATUS_ACTIVE]


async def waiting_for_a_lock(service: Service) -> bool:
    await service.databases.admin.execute("select pg_stat_clear_snapshot()")
    return bool(
        await service.databases.admin.fetchval(
            "select count(*) from pg_stat_activity where usename = 'esims_service'"
            " and datname = current_database() and wait_event_type = 'Lock'"
        )
    )
