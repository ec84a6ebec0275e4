"""Invitations to organizations: single use, expiry, revocation, and whom they admit."""

import asyncio
from datetime import timedelta

import grpc

from protos.orders.v1 import organizations_pb2 as pb
from services.orders.organizations.invitations import MAX_OPEN
from services.orders.organizations.membership import MemberRole
from tests.component.orders.organizations.asserting import accept, fields_of, invite, mine
from tests.component.orders.shop import Shop
from tests.fixtures.organizations import add_member, create_organization
from tests.fixtures.rpc.refusals import refused

OWNER_ONLY = (MemberRole.OWNER,)
WEEK = timedelta(days=7)


async def test_an_invitation_admits_its_person_once(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        invited = await invite(acme, acme.owner, "New@Example.com")
        session = await shop.session("new@example.com")
        joined = await accept(acme, invited.token, session)
        assert (joined.organization.id, joined.organization.role) == (
            acme.id,
            pb.MEMBER_ROLE_BUYER,
        )
        assert joined.propagation == pb.PROPAGATION_DONE
        assert await refused(accept(acme, invited.token, session)) == "INVITATION_USED"
        other = await shop.session("other@example.com")
        assert await refused(accept(acme, invited.token, other)) == "INVITATION_USED"
        lifetime = invited.invitation.expires_at.ToDatetime() - (
            invited.invitation.created_at.ToDatetime()
        )
        assert lifetime == WEEK


async def test_one_of_many_acceptances_at_once_succeeds(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        invited = await invite(acme, acme.owner)
        session = await shop.session("new@example.com")

        async def attempt() -> object:
            return await accept(acme, invited.token, session)

        results = await asyncio.gather(*(attempt() for _ in range(10)), return_exceptions=True)
        assert sum(isinstance(one, pb.AcceptInvitationResponse) for one in results) == 1
        assert sum(isinstance(one, grpc.aio.AioRpcError) for one in results) == 9
        active = "select count(*) from orders.members where until is null"
        assert await shop.databases.admin.fetchval(active) == 2


async def test_an_expired_invitation_is_refused_twice(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        invited = await invite(acme, acme.owner)
        await shop.databases.admin.execute("update orders.invitations set expires_at = now()")
        session = await shop.session("new@example.com")
        for _ in range(2):
            assert await refused(accept(acme, invited.token, session)) == "INVITATION_EXPIRED"
        # Another one to the same address replaces it.
        again = await invite(acme, acme.owner)
        await accept(acme, again.token, session)


async def test_a_revoked_or_replaced_invitation_is_refused(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        session = await shop.session("new@example.com")
        first = await invite(acme, acme.owner)
        second = await invite(acme, acme.owner, "NEW@example.com")
        assert await refused(accept(acme, first.token, session)) == "INVITATION_REVOKED"
        request = pb.RevokeInvitationRequest(invitation_id=second.invitation.id)
        for _ in range(2):
            answer = await acme.service.RevokeInvitation(request, metadata=acme.owner.metadata)
            assert answer.invitation.HasField("revoked_at")
        assert await refused(accept(acme, second.token, session)) == "INVITATION_REVOKED"
        third = await invite(acme, acme.owner)
        await accept(acme, third.token, session)
        request = pb.RevokeInvitationRequest(invitation_id=third.invitation.id)
        call = acme.service.RevokeInvitation(request, metadata=acme.owner.metadata)
        assert await refused(call) == "INVITATION_USED"


async def test_only_the_invited_address_is_admitted(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        invited = await invite(acme, acme.owner)
        other = await shop.session("other@example.com")
        assert await refused(accept(acme, invited.token, other)) == "INVITATION_FOR_ANOTHER_ADDRESS"
        assert await refused(accept(acme, "unknown", other)) == "INVITATION_NOT_FOUND"
        assert await refused(accept(acme, "unknown", shop.service_key)) == "FORBIDDEN"
        assert await fields_of(accept(acme, "x" * 101, other)) == {"token"}
        await accept(acme, invited.token, await shop.session("new@example.com"))


async def test_a_member_cannot_use_up_an_invitation(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        buyer = await add_member(shop.auth, acme, MemberRole.BUYER, "new@example.com")
        invited = await invite(acme, acme.owner, role=pb.MEMBER_ROLE_OWNER)
        assert await refused(accept(acme, invited.token, buyer.metadata)) == "ALREADY_MEMBER"
        assert await mine(acme, buyer) == {acme.id: pb.MEMBER_ROLE_BUYER}
        listing = pb.ListInvitationsRequest(organization_id=acme.id, open_only=True)
        found = await acme.service.ListInvitations(listing, metadata=acme.owner.metadata)
        assert [one.id for one in found.invitations] == [invited.invitation.id]


async def test_tokens_are_stored_nowhere(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        invited = await invite(acme, acme.owner)
        assert len(invited.token) == 43
        rows = await shop.databases.admin.fetch("select i::text as row from orders.invitations i")
        assert not [row["row"] for row in rows if invited.token in row["row"]]


async def test_invitations_of_others_are_unknown(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        bolt = await create_organization(shop.auth, channel, "Bolt", roles=OWNER_ONLY)
        invited = await invite(acme, acme.owner)
        request = pb.RevokeInvitationRequest(invitation_id=invited.invitation.id)
        call = bolt.service.RevokeInvitation(request, metadata=bolt.owner.metadata)
        assert await refused(call) == "INVITATION_NOT_FOUND"
        group = await bolt.service.CreateGroup(
            pb.CreateGroupRequest(organization_id=bolt.id, name="Sales"),
            metadata=bolt.owner.metadata,
        )
        mixed = invite(acme, acme.owner, group_id=group.group.id)
        assert await refused(mixed) == "GROUP_NOT_FOUND"
        for email in ("", "x", "a@b", "a b@example.com", "a@example.com,b@example.com"):
            assert await fields_of(invite(acme, acme.owner, email)) == {"email"}
        no_role = invite(acme, acme.owner, role=pb.MEMBER_ROLE_UNSPECIFIED)
        assert await fields_of(no_role) == {"role"}


async def test_a_suspended_organization_accepts_no_members(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        invited = await invite(acme, acme.owner)
        suspension = pb.SuspendOrganizationRequest(organization_id=acme.id)
        await acme.service.SuspendOrganization(suspension, metadata=shop.service_key)
        session = await shop.session("new@example.com")
        assert await refused(accept(acme, invited.token, session)) == "ORGANIZATION_SUSPENDED"
        assert await refused(invite(acme, acme.owner)) == "ORGANIZATION_SUSPENDED"
        resumption = pb.ResumeOrganizationRequest(organization_id=acme.id)
        await acme.service.ResumeOrganization(resumption, metadata=shop.service_key)
        await accept(acme, invited.token, session)


async def test_an_owner_who_becomes_manager_keeps_no_invitation(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        other = await add_member(shop.auth, acme, MemberRole.OWNER, "other@example.com")
        invited = await invite(acme, other, role=pb.MEMBER_ROLE_OWNER)
        await acme.service.SetMemberRole(
            pb.SetMemberRoleRequest(
                organization_id=acme.id, user_id=str(other.user_id), role=pb.MEMBER_ROLE_MANAGER
            ),
            metadata=acme.owner.metadata,
        )
        session = await shop.session("new@example.com")
        assert await refused(accept(acme, invited.token, session)) == "INVITATION_REVOKED"


async def test_only_owners_replace_an_open_invitation_of_an_owner(shop: Shop) -> None:
    async with shop.channel() as channel:
        roles = (MemberRole.OWNER, MemberRole.MANAGER)
        acme = await create_organization(shop.auth, channel, roles=roles)
        session = await shop.session("new@example.com")
        first = await invite(acme, acme.owner, role=pb.MEMBER_ROLE_OWNER)
        lower = pb.MEMBER_ROLE_TRAVELER
        by_manager = invite(acme, acme.manager, "NEW@example.com", lower)
        assert await refused(by_manager) == "MEMBER_ROLE_INSUFFICIENT"
        listing = pb.ListInvitationsRequest(organization_id=acme.id, open_only=True)
        found = await acme.service.ListInvitations(listing, metadata=acme.manager.metadata)
        assert [one.id for one in found.invitations] == [first.invitation.id]
        # An owner may, and a manager may replace one that has expired.
        second = await invite(acme, acme.owner, role=pb.MEMBER_ROLE_OWNER)
        assert await refused(accept(acme, first.token, session)) == "INVITATION_REVOKED"
        await shop.databases.admin.execute(
            "update orders.invitations set expires_at = now() where id = $1", second.invitation.id
        )
        third = await invite(acme, acme.manager, role=lower)
        joined = await accept(acme, third.token, session)
        assert joined.organization.role == lower


async def test_an_organization_with_the_most_invitations_can_replace_one(shop: Shop) -> None:
    async with shop.channel() as channel:
        acme = await create_organization(shop.auth, channel, roles=OWNER_ONLY)
        first = await invite(acme, acme.owner, "first@example.com")
        await shop.databases.admin.execute(
            "insert into orders.invitations"
            " (organization_id, email, role, token_hash, invited_by, expires_at)"
            " select i.organization_id, n || '@example.com', i.role, sha256(n::text::bytea),"
            " i.invited_by, i.expires_at from orders.invitations i, generate_series(2, $1) n"
            " where i.accepted_at is null",
            MAX_OPEN,
        )
        assert await refused(invite(acme, acme.owner, "more@example.com")) == "TOO_MANY_INVITATIONS"
        again = await invite(acme, acme.owner, "First@example.com")
        assert again.invitation.id != first.invitation.id
        session = await shop.session("first@example.com")
        assert await refused(accept(acme, first.token, session)) == "INVITATION_REVOKED"
