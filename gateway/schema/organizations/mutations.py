"""Mutations of the members, invitations and groups of organizations."""

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field
from gateway.schema import inputs, results
from gateway.schema.organizations.organization_inputs import (
    GroupIdArgument,
    GroupNameArgument,
    InvitationIdArgument,
    InviteArgument,
    OrganizationIdArgument,
    RoleArgument,
    TokenArgument,
    UserIdArgument,
)
from gateway.schema.organizations.organization_inputs import (
    role as role_of,
)
from gateway.schema.organizations.results import (
    GroupResult,
    InvitationResult,
    MemberResult,
    OrganizationResult,
)
from gateway.upstream.context import Info
from protos.orders.v1 import organizations_pb2 as pb


@strawberry.type
class MemberMutations:
    """Mixed into Mutation."""

    @auth_field(
        description="Creates a link with which a person joins an organization, once. It replaces an open"
        " invitation to the same address. For owners and managers."
    )
    @results.refusable(InvitationResult)
    async def invite_member(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        input: InviteArgument,
    ) -> InvitationResult | None:
        request = pb.InviteMemberRequest(
            organization_id=organization_id,
            email=input.email,
            role=role_of(input.role),
            group_id=inputs.optional_id("input.groupId", input.group_id, "for no group"),
        )
        answer = await info.context.change(info.context.peers.organizations.InviteMember, request)
        return InvitationResult.of(answer.invitation, answer.token, answer.link)

    @auth_field(
        description="Ends an invitation that was not accepted. Safe to repeat. For owners and managers."
    )
    @results.refusable(InvitationResult)
    async def revoke_invitation(
        self,
        info: Info,
        id: InvitationIdArgument,
    ) -> InvitationResult | None:
        request = pb.RevokeInvitationRequest(invitation_id=id)
        with naming(invitation_id="id"):
            answer = await info.context.change(
                info.context.peers.organizations.RevokeInvitation, request
            )
        return InvitationResult.of(answer.invitation)

    @auth_field(
        description="Makes the caller a member of the organization that invited them. The e-mail address of"
        " the account must be the invited one. Refused with INVITATION_USED, INVITATION_EXPIRED,"
        " INVITATION_REVOKED, INVITATION_FOR_ANOTHER_ADDRESS or ALREADY_MEMBER."
    )
    @results.refusable(OrganizationResult)
    async def accept_invitation(
        self, info: Info, token: TokenArgument
    ) -> OrganizationResult | None:
        request = pb.AcceptInvitationRequest(token=token)
        answer = await info.context.change(
            info.context.peers.organizations.AcceptInvitation, request
        )
        return OrganizationResult.of(answer.organization)

    @auth_field(
        description="Changes the role of a member. For owners and managers; only owners make owners, or"
        " change the role of one. Refused with LAST_OWNER for the only owner."
    )
    @results.refusable(MemberResult)
    async def set_member_role(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        user_id: UserIdArgument,
        role: RoleArgument,
    ) -> MemberResult | None:
        request = pb.SetMemberRoleRequest(
            organization_id=organization_id, user_id=user_id, role=role_of(role)
        )
        answer = await info.context.change(info.context.peers.organizations.SetMemberRole, request)
        return MemberResult.of(answer.member, answer.propagation)

    @auth_field(
        description="Ends a membership at once, while the person's access token is still valid. For owners"
        " and managers; only owners remove owners, and every member may remove themself. Refused with"
        " LAST_OWNER for the only owner."
    )
    @results.refusable(MemberResult)
    async def remove_member(
        self, info: Info, organization_id: OrganizationIdArgument, user_id: UserIdArgument
    ) -> MemberResult | None:
        request = pb.RemoveMemberRequest(organization_id=organization_id, user_id=user_id)
        answer = await info.context.change(info.context.peers.organizations.RemoveMember, request)
        return MemberResult.of(None, answer.propagation)


@strawberry.type
class GroupMutations:
    """Mixed into Mutation."""

    @auth_field(
        description="Creates a group, such as a department or a trip. For owners and managers."
    )
    @results.refusable(GroupResult)
    async def create_group(
        self, info: Info, organization_id: OrganizationIdArgument, name: GroupNameArgument
    ) -> GroupResult | None:
        request = pb.CreateGroupRequest(organization_id=organization_id, name=name)
        answer = await info.context.change(info.context.peers.organizations.CreateGroup, request)
        return GroupResult.of(answer.group)

    @auth_field(description="Renames a group. For owners and managers.")
    @results.refusable(GroupResult)
    async def rename_group(
        self,
        info: Info,
        id: GroupIdArgument,
        name: GroupNameArgument,
    ) -> GroupResult | None:
        request = pb.RenameGroupRequest(group_id=id, name=name)
        with naming(group_id="id"):
            answer = await info.context.change(
                info.context.peers.organizations.RenameGroup, request
            )
        return GroupResult.of(answer.group)

    @auth_field(
        description="Ends purchases for a group, whose orders and eSIMs stay. Safe to repeat. For owners and"
        " managers."
    )
    @results.refusable(GroupResult)
    async def archive_group(
        self,
        info: Info,
        id: GroupIdArgument,
    ) -> GroupResult | None:
        request = pb.ArchiveGroupRequest(group_id=id)
        with naming(group_id="id"):
            answer = await info.context.change(
                info.context.peers.organizations.ArchiveGroup, request
            )
        return GroupResult.of(answer.group)

    @auth_field(
        description="Allows a member to buy for a group. Safe to repeat. For owners and managers, who may buy"
        " for all groups."
    )
    @results.refusable(GroupResult)
    async def add_group_member(
        self, info: Info, group_id: GroupIdArgument, user_id: UserIdArgument
    ) -> GroupResult | None:
        request = pb.AddGroupMemberRequest(group_id=group_id, user_id=user_id)
        await info.context.change(info.context.peers.organizations.AddGroupMember, request)
        return GroupResult.of(None)

    @auth_field(
        description="Ends a member's purchases for a group. Safe to repeat. For owners and managers."
    )
    @results.refusable(GroupResult)
    async def remove_group_member(
        self, info: Info, group_id: GroupIdArgument, user_id: UserIdArgument
    ) -> GroupResult | None:
        request = pb.RemoveGroupMemberRequest(group_id=group_id, user_id=user_id)
        await info.context.change(info.context.peers.organizations.RemoveGroupMember, request)
        return GroupResult.of(None)
