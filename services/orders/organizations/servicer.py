"""The gRPC methods of the organizations service."""

from kit.auth.sessions import Role
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values import checks, page_token
from protos.orders.v1 import organizations_pb2 as pb
from protos.orders.v1 import organizations_pb2_grpc
from services.orders.organizations import (
    invitation_store,
    member_store,
    messages,
    requests,
    store,
)
from services.orders.organizations.callers import actor, authorize
from services.orders.organizations.groups import Groups
from services.orders.organizations.invitations import Invitations
from services.orders.organizations.members import Members
from services.orders.organizations.membership import MANAGING, MemberRole
from services.orders.organizations.organization import Organization


class OrganizationsServicer(organizations_pb2_grpc.OrganizationsServiceServicer):
    """Manages organizations for the shop, and their members, invitations and groups for these."""

    def __init__(
        self, database: Database, members: Members, invitations: Invitations, groups: Groups
    ) -> None:
        self._database = database
        self._members = members
        self._invitations = invitations
        self._groups = groups

    async def CreateOrganization(
        self, request: pb.CreateOrganizationRequest, context: Context
    ) -> pb.CreateOrganizationResponse:
        profile = requests.create(request)
        async with self._database.system() as connection:
            created = await store.create(connection, profile, actor())
        return pb.CreateOrganizationResponse(
            organization=messages.organization_to_proto(created, None)
        )

    async def UpdateOrganization(
        self, request: pb.UpdateOrganizationRequest, context: Context
    ) -> pb.UpdateOrganizationResponse:
        organization_id = checks.one_id("organization_id", request.organization_id)
        async with self._database.system() as connection:
            found = await store.find(connection, organization_id, lock=True)
            if found is None:
                raise _not_found()
            profile = requests.update(request, found.profile)
            updated = await store.update(connection, organization_id, profile)
        return pb.UpdateOrganizationResponse(
            organization=messages.organization_to_proto(updated, None)
        )

    async def SuspendOrganization(
        self, request: pb.SuspendOrganizationRequest, context: Context
    ) -> pb.SuspendOrganizationResponse:
        found = await self._set_suspended(request.organization_id, suspended=True)
        return pb.SuspendOrganizationResponse(
            organization=messages.organization_to_proto(found, None)
        )

    async def ResumeOrganization(
        self, request: pb.ResumeOrganizationRequest, context: Context
    ) -> pb.ResumeOrganizationResponse:
        found = await self._set_suspended(request.organization_id, suspended=False)
        return pb.ResumeOrganizationResponse(
            organization=messages.organization_to_proto(found, None)
        )

    async def _set_suspended(self, id_: str, *, suspended: bool) -> Organization:
        organization_id = checks.one_id("organization_id", id_)
        async with self._database.system() as connection:
            found = await store.set_suspended(connection, organization_id, suspended=suspended)
        if found is None:
            raise _not_found()
        return found

    async def GetOrganization(
        self, request: pb.GetOrganizationRequest, context: Context
    ) -> pb.GetOrganizationResponse:
        organization_id = checks.one_id("organization_id", request.organization_id)
        async with self._database.system() as connection:
            caller = await authorize(
                connection, organization_id, frozenset(MemberRole), staff=Role.SUPPORT
            )
            found = await store.find(connection, organization_id)
        if found is None:
            raise _not_found()
        role = caller.role if caller is not None else None
        return pb.GetOrganizationResponse(organization=messages.organization_to_proto(found, role))

    async def ListMyOrganizations(
        self, request: pb.ListMyOrganizationsRequest, context: Context
    ) -> pb.ListMyOrganizationsResponse:
        user_id = rpc_guard.session().user_id
        if user_id is None:  # the service role key is no member
            return pb.ListMyOrganizationsResponse()
        async with self._database.system() as connection:
            found = await store.of_user(connection, user_id)
        return pb.ListMyOrganizationsResponse(
            organizations=[messages.organization_to_proto(one, role) for one, role in found]
        )

    async def ListOrganizations(
        self, request: pb.ListOrganizationsRequest, context: Context
    ) -> pb.ListOrganizationsResponse:
        size, after = requests.listing(request)
        async with self._database.system() as connection:
            # One more than requested, to find out if there is a next page.
            found = await store.list_page(connection, after, size + 1)
        page = found[:size]
        return pb.ListOrganizationsResponse(
            organizations=[messages.organization_to_proto(one, None) for one in page],
            next_page_token=page_token.write_position(request, page[-1].created_at, page[-1].id)
            if len(found) > size
            else "",
        )

    async def ListMembers(
        self, request: pb.ListMembersRequest, context: Context
    ) -> pb.ListMembersResponse:
        organization_id = checks.one_id("organization_id", request.organization_id)
        size, after = requests.listing(request)
        async with self._database.system() as connection:
            await authorize(connection, organization_id, MANAGING, staff=Role.SUPPORT)
            found = await member_store.list_page(connection, organization_id, after, size + 1)
        page = found[:size]
        return pb.ListMembersResponse(
            members=map(messages.member_to_proto, page),
            next_page_token=page_token.write_position(request, page[-1].since, page[-1].id)
            if len(found) > size
            else "",
        )

    async def SetMemberRole(
        self, request: pb.SetMemberRoleRequest, context: Context
    ) -> pb.SetMemberRoleResponse:
        member, done = await self._members.set_role(*requests.set_role(request))
        return pb.SetMemberRoleResponse(
            member=messages.member_to_proto(member), propagation=messages.propagation(done)
        )

    async def RemoveMember(
        self, request: pb.RemoveMemberRequest, context: Context
    ) -> pb.RemoveMemberResponse:
        organization_id, user_id = requests.ids(
            organization_id=request.organization_id, user_id=request.user_id
        )
        done = await self._members.remove(organization_id, user_id)
        return pb.RemoveMemberResponse(propagation=messages.propagation(done))

    async def InviteMember(
        self, request: pb.InviteMemberRequest, context: Context
    ) -> pb.InviteMemberResponse:
        created, token = await self._invitations.invite(*requests.invite(request))
        return pb.InviteMemberResponse(
            invitation=messages.invitation_to_proto(created),
            token=token,
            link=self._invitations.link(token),
        )

    async def ListInvitations(
        self, request: pb.ListInvitationsRequest, context: Context
    ) -> pb.ListInvitationsResponse:
        organization_id = checks.one_id("organization_id", request.organization_id)
        size, after = requests.listing(request)
        async with self._database.system() as connection:
            await authorize(connection, organization_id, MANAGING, staff=Role.SUPPORT)
            found = await invitation_store.list_page(
                connection, organization_id, after, size + 1, open_only=request.open_only
            )
        page = found[:size]
        return pb.ListInvitationsResponse(
            invitations=map(messages.invitation_to_proto, page),
            next_page_token=page_token.write_position(request, page[-1].created_at, page[-1].id)
            if len(found) > size
            else "",
        )

    async def RevokeInvitation(
        self, request: pb.RevokeInvitationRequest, context: Context
    ) -> pb.RevokeInvitationResponse:
        invitation_id = checks.one_id("invitation_id", request.invitation_id)
        revoked = await self._invitations.revoke(invitation_id)
        return pb.RevokeInvitationResponse(invitation=messages.invitation_to_proto(revoked))

    async def AcceptInvitation(
        self, request: pb.AcceptInvitationRequest, context: Context
    ) -> pb.AcceptInvitationResponse:
        organization, role, done = await self._invitations.accept(requests.token(request))
        return pb.AcceptInvitationResponse(
            organization=messages.organization_to_proto(organization, role),
            propagation=messages.propagation(done),
        )

    async def ListGroups(
        self, request: pb.ListGroupsRequest, context: Context
    ) -> pb.ListGroupsResponse:
        organization_id = checks.one_id("organization_id", request.organization_id)
        found = await self._groups.list_visible(organization_id)
        return pb.ListGroupsResponse(groups=map(messages.group_to_proto, found))

    async def CreateGroup(
        self, request: pb.CreateGroupRequest, context: Context
    ) -> pb.CreateGroupResponse:
        organization_id, name = requests.group_name(
            "organization_id", request.organization_id, request.name
        )
        created = await self._groups.create(organization_id, name)
        return pb.CreateGroupResponse(group=messages.group_to_proto(created))

    async def RenameGroup(
        self, request: pb.RenameGroupRequest, context: Context
    ) -> pb.RenameGroupResponse:
        group_id, name = requests.group_name("group_id", request.group_id, request.name)
        renamed = await self._groups.rename(group_id, name)
        return pb.RenameGroupResponse(group=messages.group_to_proto(renamed))

    async def ArchiveGroup(
        self, request: pb.ArchiveGroupRequest, context: Context
    ) -> pb.ArchiveGroupResponse:
        group_id = checks.one_id("group_id", request.group_id)
        archived = await self._groups.archive(group_id)
        return pb.ArchiveGroupResponse(group=messages.group_to_proto(archived))

    async def AddGroupMember(
        self, request: pb.AddGroupMemberRequest, context: Context
    ) -> pb.AddGroupMemberResponse:
        group_id, user_id = requests.ids(group_id=request.group_id, user_id=request.user_id)
        await self._groups.add_member(group_id, user_id)
        return pb.AddGroupMemberResponse()

    async def RemoveGroupMember(
        self, request: pb.RemoveGroupMemberRequest, context: Context
    ) -> pb.RemoveGroupMemberResponse:
        group_id, user_id = requests.ids(group_id=request.group_id, user_id=request.user_id)
        await self._groups.remove_member(group_id, user_id)
        return pb.RemoveGroupMemberResponse()


def _not_found() -> Failure:
    return Failure(
        Kind.NOT_FOUND,
        "ORGANIZATION_NOT_FOUND",
        "There is no organization with this id; list the organizations",
    )
