"""Organizations and their groups: what the shop enters, and what it refuses."""

import asyncio
from decimal import Decimal
from typing import Any

import grpc
import pytest

from kit.reports import zone
from kit.values import money
from protos.orders.v1 import organizations_pb2 as pb
from services.orders.organizations.membership import MemberRole
from tests.component.orders.organizations.asserting import fields_of
from tests.component.orders.shop import Shop
from tests.fixtures.organizations import add_member, create_organization
from tests.fixtures.rpc.refusals import refused

OWNER, BUYER = MemberRole.OWNER, MemberRole.BUYER


async def test_administrators_create_update_and_suspend(shop: Shop) -> None:
    admin = await shop.session("admin@example.com", admin=True)
    finance = await shop.session("finance@example.com", role="finance")
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=(OWNER,))
        service = acme.service
        update = pb.UpdateOrganizationRequest(
            organization_id=acme.id,
            billing=pb.BILLING_INVOICE,
            credit_limit=money.to_proto(Decimal("2500.50"), "EUR"),
            country="DE",
            tax_id=" de 136695976 ",
            time_zone="Europe/Berlin",
        )
        updated = (await service.UpdateOrganization(update, metadata=admin)).organization
        assert (updated.name, updated.tax_id, updated.time_zone) == (
            "Acme",
            "DE136695976",
            "Europe/Berlin",
        )
        assert money.from_proto(updated.credit_limit) == Decimal("2500.5")
        # Without an invoice there is no credit.
        prepaid = pb.UpdateOrganizationRequest(organization_id=acme.id, billing=pb.BILLING_PREPAID)
        updated = (await service.UpdateOrganization(prepaid, metadata=admin)).organization
        assert not updated.HasField("credit_limit")
        calls: tuple[tuple[Any, Any], ...] = (
            (service.CreateOrganization, pb.CreateOrganizationRequest()),
            (service.UpdateOrganization, update),
            (service.SuspendOrganization, pb.SuspendOrganizationRequest()),
            (service.ResumeOrganization, pb.ResumeOrganizationRequest()),
        )
        for call, request in calls:
            for session in (finance, acme.owner.metadata):
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await call(request, metadata=session)
                assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
        listed = await service.ListOrganizations(pb.ListOrganizationsRequest(), metadata=finance)
        assert [found.id for found in listed.organizations] == [acme.id]
        unknown = pb.SuspendOrganizationRequest(organization_id=str(acme.owner.user_id))
        assert await refused(service.SuspendOrganization(unknown, metadata=admin)) == (
            "ORGANIZATION_NOT_FOUND"
        )


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"name": "  "}, {"name"}),
        ({"name": "x" * 201, "billing_address": "x" * 1001}, {"name", "billing_address"}),
        ({"currency": "eur"}, {"currency"}),
        ({"currency": "XXX"}, {"currency"}),
        ({"country": "XX", "tax_id": "1"}, {"country"}),
        ({"country": "DE", "tax_id": "DE136695977"}, {"tax_id"}),
        ({"locale": "english"}, {"locale"}),
        ({"locale": "de-XX-yy-zz"}, {"locale"}),
        ({"time_zone": "Berlin"}, {"time_zone"}),
        ({"credit_limit": money.to_proto(Decimal(5), "EUR")}, {"credit_limit"}),
        (
            {"billing": pb.BILLING_INVOICE, "credit_limit": money.to_proto(Decimal(5), "USD")},
            {"credit_limit"},
        ),
        (
            {"billing": pb.BILLING_INVOICE, "credit_limit": money.to_proto(Decimal(-5), "EUR")},
            {"credit_limit"},
        ),
        (
            {
                "billing": pb.BILLING_INVOICE,
                "credit_limit": money.to_proto(Decimal("0.001"), "EUR"),
            },
            {"credit_limit"},
        ),
    ],
)
async def test_wrong_fields_are_named(shop: Shop, fields: dict[str, Any], bad: set[str]) -> None:
    async with shop.channel() as channel:
        call = create_organization(shop.auth, channel, roles=(), **fields)
        assert await fields_of(call) == bad


async def test_a_country_and_an_address_are_taken_as_people_write_them(shop: Shop) -> None:
    admin = await shop.session("admin@example.com", admin=True)
    address = "Acme Ltd\r\n 1 High Street \n\nLondon"
    async with shop.channel() as channel:
        acme = await create_organization(
            shop.auth, channel, roles=(), country="UK", billing_address=address
        )
        get = pb.GetOrganizationRequest(organization_id=acme.id)
        found = (await acme.service.GetOrganization(get, metadata=admin)).organization
        assert found.country == "GB"
        assert found.billing_address == "Acme Ltd\n1 High Street\nLondon"
        update = pb.UpdateOrganizationRequest(organization_id=acme.id, country="Germany")
        found = (await acme.service.UpdateOrganization(update, metadata=admin)).organization
        assert (found.country, found.billing_address.count("\n")) == ("DE", 2)
        long = pb.UpdateOrganizationRequest(
            organization_id=acme.id, billing_address="\n".join(["x" * 501] * 2)
        )
        assert await fields_of(acme.service.UpdateOrganization(long, metadata=admin)) == {
            "billing_address"
        }


async def test_a_time_zone_that_postgresql_does_not_know_is_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = frozenset({"UTC", "Mars/Olympus"})
    monkeypatch.setattr(zone, "names", lambda: newer)  # as after an update of Python's database
    admin = await shop.session("admin@example.com", admin=True)
    async with shop.channel() as channel:
        call = create_organization(shop.auth, channel, roles=(), time_zone="Mars/Olympus")
        assert await fields_of(call) == {"time_zone"}
        acme = await create_organization(shop.auth, channel, roles=(OWNER,))
        request = pb.UpdateOrganizationRequest(organization_id=acme.id, time_zone="Mars/Olympus")
        update = acme.service.UpdateOrganization(request, metadata=admin)
        assert await fields_of(update) == {"time_zone"}


async def test_groups_are_managed_and_seen_by_role(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel)
        service, manager = acme.service, acme.manager.metadata

        def create(name: str) -> Any:
            request = pb.CreateGroupRequest(organization_id=acme.id, name=name)
            return service.CreateGroup(request, metadata=manager)

        sales, trip = [(await create(name)).group for name in ("Sales", "Trip to Rome")]
        assert await refused(create("SALES ")) == "GROUP_EXISTS"
        rename = pb.RenameGroupRequest(group_id=trip.id, name="sales")
        assert await refused(service.RenameGroup(rename, metadata=manager)) == "GROUP_EXISTS"
        rename.name = "TRIP to Rome"
        assert (await service.RenameGroup(rename, metadata=manager)).group.name == "TRIP to Rome"
        adding = pb.AddGroupMemberRequest(group_id=sales.id, user_id=str(acme.buyer.user_id))
        for _ in range(2):
            await service.AddGroupMember(adding, metadata=manager)
        seen = {
            role: [group.name for group in await groups(acme, member)]
            for role, member in acme.members.items()
        }
        everything = ["Sales", "TRIP to Rome"]
        assert seen == {
            MemberRole.OWNER: everything,
            MemberRole.MANAGER: everything,
            MemberRole.FINANCE: everything,
            MemberRole.BUYER: ["Sales"],
            MemberRole.TRAVELER: [],
        }
        archive = pb.ArchiveGroupRequest(group_id=sales.id)
        for _ in range(2):
            await service.ArchiveGroup(archive, metadata=manager)
        assert await refused(service.AddGroupMember(adding, metadata=manager)) == "GROUP_ARCHIVED"
        assert [group.name for group in await groups(acme, acme.owner)] == ["TRIP to Rome"]
        await create("Sales")  # the name is free again


async def groups(acme: Any, member: Any) -> list[pb.Group]:
    request = pb.ListGroupsRequest(organization_id=acme.id)
    return list((await acme.service.ListGroups(request, metadata=member.metadata)).groups)


async def test_groups_of_other_organizations_are_unknown(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=(OWNER, BUYER))
        bolt = await create_organization(shop.auth, channel, "Bolt", roles=(OWNER,))
        service = acme.service
        request = pb.CreateGroupRequest(organization_id=acme.id, name="Sales")
        assert await refused(service.CreateGroup(request, metadata=bolt.owner.metadata)) == (
            "ORGANIZATION_NOT_FOUND"
        )
        assert await refused(service.CreateGroup(request, metadata=acme.buyer.metadata)) == (
            "MEMBER_ROLE_INSUFFICIENT"
        )
        sales = (await service.CreateGroup(request, metadata=acme.owner.metadata)).group
        outsider, stranger = bolt.owner.metadata, str(bolt.owner.user_id)
        for call in (
            service.RenameGroup(
                pb.RenameGroupRequest(group_id=sales.id, name="x"), metadata=outsider
            ),
            service.ArchiveGroup(pb.ArchiveGroupRequest(group_id=sales.id), metadata=outsider),
        ):
            assert await refused(call) == "GROUP_NOT_FOUND"
        adding = pb.AddGroupMemberRequest(group_id=sales.id, user_id=stranger)
        assert await refused(service.AddGroupMember(adding, metadata=acme.owner.metadata)) == (
            "MEMBER_NOT_FOUND"
        )


async def test_a_name_that_is_used_twice_at_once_is_created_once(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=(OWNER,))

        async def create() -> object:
            request = pb.CreateGroupRequest(organization_id=acme.id, name="Sales")
            return await acme.service.CreateGroup(request, metadata=acme.owner.metadata)

        results = await asyncio.gather(*(create() for _ in range(8)), return_exceptions=True)
        assert sum(isinstance(one, pb.CreateGroupResponse) for one in results) == 1


async def test_a_removed_member_leaves_all_groups(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=(OWNER,))
        created = await acme.service.CreateGroup(
            pb.CreateGroupRequest(organization_id=acme.id, name="Sales"),
            metadata=acme.owner.metadata,
        )
        buyer = await add_member(
            shop.auth, acme, BUYER, "new@example.com", group_id=created.group.id
        )
        assert [group.name for group in await groups(acme, buyer)] == ["Sales"]
        request = pb.RemoveMemberRequest(organization_id=acme.id, user_id=str(buyer.user_id))
        await acme.service.RemoveMember(request, metadata=acme.owner.metadata)
        again = await add_member(shop.auth, acme, BUYER, "new@example.com")
        assert await groups(acme, again) == []
