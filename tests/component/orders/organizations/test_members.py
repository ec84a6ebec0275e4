"""Members of organizations: their roles, their removal, and the owner that every organization needs."""

import asyncio
from typing import Any

import grpc

from kit.errors import Failure, Kind
from protos.orders.v1 import organizations_pb2 as pb
from services.orders.organizations.membership import MemberRole
from tests.component.orders.organizations.asserting import accept, invite, mine, remove, set_role
from tests.component.orders.shop import Shop
from tests.fixtures.organizations import add_member, create_organization
from tests.fixtures.rpc.refusals import refused

OWNER, MANAGER, BUYER = MemberRole.OWNER, MemberRole.MANAGER, MemberRole.BUYER


async def test_a_member_sees_their_organizations_and_no_others(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, "Acme", roles=(OWNER, BUYER))
        bolt = await create_organization(shop.auth, channel, "Bolt", roles=(OWNER,))
        both = await add_member(shop.auth, bolt, MANAGER, acme.buyer.email)
        assert both.user_id == acme.buyer.user_id
        assert await mine(acme, both) == {
            acme.id: pb.MEMBER_ROLE_BUYER,
            bolt.id: pb.MEMBER_ROLE_MANAGER,
        }
        assert await mine(acme, bolt.owner) == {bolt.id: pb.MEMBER_ROLE_OWNER}
        # A manager of one organization is a buyer in the other, whose members stay hidden.
        listing = pb.ListMembersRequest(organization_id=bolt.id)
        members = await bolt.service.ListMembers(listing, metadata=both.metadata)
        assert [member.user_id for member in members.members] == [
            str(bolt.owner.user_id),
            str(both.user_id),
        ]
        listing = pb.ListMembersRequest(organization_id=acme.id)
        assert await refused(acme.service.ListMembers(listing, metadata=both.metadata)) == (
            "MEMBER_ROLE_INSUFFICIENT"
        )
        assert await refused(acme.service.ListMembers(listing, metadata=bolt.owner.metadata)) == (
            "ORGANIZATION_NOT_FOUND"
        )


async def test_only_some_roles_see_addresses_and_money(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(
            shop.auth,
            channel,
            billing=pb.BILLING_INVOICE,
            billing_address="1 Main Street",
            country="DE",
            tax_id="DE136695976",
        )
        request = pb.GetOrganizationRequest(organization_id=acme.id)
        seen = {}
        for role, member in acme.members.items():
            answer = await acme.service.GetOrganization(request, metadata=member.metadata)
            found = answer.organization
            assert (found.name, found.currency) == ("Acme", "EUR")
            seen[role] = (found.billing_address, found.tax_id, found.HasField("credit_limit"))
        everything, nothing = ("1 Main Street", "DE136695976", True), ("", "", False)
        assert seen == {
            MemberRole.OWNER: everything,
            MemberRole.MANAGER: everything,
            MemberRole.FINANCE: everything,
            MemberRole.BUYER: nothing,
            MemberRole.TRAVELER: nothing,
        }


async def test_a_removed_member_is_refused_with_the_old_token(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel)
        shop.travelers.memberships.clear()
        answer = await remove(acme, acme.manager, acme.buyer)
        assert answer.propagation == pb.PROPAGATION_DONE
        (reported,) = shop.travelers.memberships
        assert (reported.user_id, reported.active) == (str(acme.buyer.user_id), False)
        request = pb.GetOrganizationRequest(organization_id=acme.id)
        call = acme.service.GetOrganization(request, metadata=acme.buyer.metadata)
        assert await refused(call) == "ORGANIZATION_NOT_FOUND"
        assert await mine(acme, acme.buyer) == {}
        assert await refused(remove(acme, acme.manager, acme.buyer)) == "MEMBER_NOT_FOUND"
        # Joins again, with a higher number than the removal.
        again = await add_member(shop.auth, acme, MANAGER, acme.buyer.email)
        assert await mine(acme, again) == {acme.id: pb.MEMBER_ROLE_MANAGER}
        assert shop.travelers.memberships[-1].version > reported.version


async def test_a_removal_that_is_not_confirmed_says_so(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel)
        shop.travelers.failure = Failure(Kind.UNAVAILABLE, "SERVICE_UNAVAILABLE", "away")
        answer = await remove(acme, acme.owner, acme.buyer)
        assert answer.propagation == pb.PROPAGATION_PROPAGATING
        assert await mine(acme, acme.buyer) == {}  # orders refuses at once


async def test_the_last_owner_stays(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=(OWNER, MANAGER))
        owner = acme.owner
        assert await refused(remove(acme, owner, owner)) == "LAST_OWNER"
        demotion = set_role(acme, owner, owner, pb.MEMBER_ROLE_BUYER)
        assert await refused(demotion) == "LAST_OWNER"
        second = await add_member(shop.auth, acme, OWNER, "second@example.com")
        await remove(acme, owner, owner)
        assert await refused(remove(acme, second, second)) == "LAST_OWNER"
        assert await mine(acme, second) == {acme.id: pb.MEMBER_ROLE_OWNER}


async def test_two_owners_who_leave_at_once_leave_one(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=(OWNER,))
        for number in range(5):
            other = await add_member(shop.auth, acme, OWNER, f"other-{number}@example.com")
            owner = acme.owner
            calls: Any = (
                [remove(acme, owner, owner), remove(acme, other, other)]
                if number % 2
                else [remove(acme, owner, other), remove(acme, other, owner)]
            )
            results = await asyncio.gather(*map(as_future, calls), return_exceptions=True)
            errors = [one for one in results if isinstance(one, grpc.aio.AioRpcError)]
            assert len(errors) == 1, results
            active = await shop.databases.admin.fetch(
                "select user_id from orders.members where until is null"
            )
            assert len(active) == 1
            left = owner if active[0]["user_id"] == owner.user_id else other
            acme.members[OWNER] = left


async def as_future(call: Any) -> Any:
    return await call


async def test_managers_cannot_touch_owners(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel)
        owner, manager, buyer = acme.owner, acme.manager, acme.buyer
        for call in (
            remove(acme, manager, owner),
            set_role(acme, manager, owner, pb.MEMBER_ROLE_BUYER),
            set_role(acme, manager, manager, pb.MEMBER_ROLE_OWNER),
            set_role(acme, manager, buyer, pb.MEMBER_ROLE_OWNER),
            invite(acme, manager, role=pb.MEMBER_ROLE_OWNER),
            remove(acme, buyer, acme.traveler),
            set_role(acme, buyer, buyer, pb.MEMBER_ROLE_MANAGER),
            invite(acme, acme.finance),
        ):
            assert await refused(call) == "MEMBER_ROLE_INSUFFICIENT"
        changed = await set_role(acme, manager, buyer, pb.MEMBER_ROLE_TRAVELER)
        assert changed.member.role == pb.MEMBER_ROLE_TRAVELER
        await remove(acme, buyer, buyer)  # anyone may leave


async def test_a_role_counts_at_once(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=(OWNER, MANAGER))
        await invite(acme, acme.manager)
        await set_role(acme, acme.owner, acme.manager, pb.MEMBER_ROLE_BUYER)
        assert await refused(invite(acme, acme.manager)) == "MEMBER_ROLE_INSUFFICIENT"


async def test_a_removed_manager_cannot_return_by_an_own_invitation(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=(OWNER, MANAGER))
        manager = acme.manager
        kept = await invite(acme, acme.owner, "kept@example.com")
        invited = await invite(acme, manager, manager.email)
        await remove(acme, acme.owner, manager)
        assert await refused(accept(acme, invited.token, manager.metadata)) == "INVITATION_REVOKED"
        await accept(acme, kept.token, await shop.session("kept@example.com"))


async def test_members_are_listed_by_pages(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel)
        request = pb.ListMembersRequest(organization_id=acme.id, page_size=2)
        found: list[str] = []
        while True:
            page = await acme.service.ListMembers(request, metadata=acme.owner.metadata)
            found += [member.email for member in page.members]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        assert found == [f"{role.lower()}@acme.example.com" for role in MemberRole]


async def test_staff_reads_and_administrators_change(shop: Shop) -> None:
    support = await shop.session("support@example.com", role="support")
    admin = await shop.session("admin@example.com", admin=True)
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=(OWNER, BUYER))
        listing = pb.ListMembersRequest(organization_id=acme.id)
        assert len((await acme.service.ListMembers(listing, metadata=support)).members) == 2
        request = pb.RemoveMemberRequest(organization_id=acme.id, user_id=str(acme.buyer.user_id))
        assert await refused(acme.service.RemoveMember(request, metadata=support)) == (
            "ORGANIZATION_NOT_FOUND"
        )
        await acme.service.RemoveMember(request, metadata=admin)
        assert await mine(acme, acme.buyer) == {}
