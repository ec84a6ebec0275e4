"""Queries about organizations, their members, invitations and groups."""

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field, support_field
from gateway.execution.views import views
from gateway.schema.connections import OF_FIELD, page_of, page_size
from gateway.schema.organizations.organization_inputs import (
    DEFAULT_SIZE,
    MAX_SIZE,
    AfterArgument,
    FirstArgument,
    OpenOnlyArgument,
    OrganizationIdArgument,
)
from gateway.schema.organizations.types import (
    Invitation,
    InvitationPage,
    MemberPage,
    Organization,
    OrganizationGroup,
    OrganizationMember,
    OrganizationPage,
)
from gateway.upstream.context import Info
from protos.orders.v1 import organizations_pb2 as pb


@strawberry.type
class OrganizationQueries:
    """Mixed into Query."""

    @auth_field(
        description="The organizations of which the caller is a member, by name. Roles are read at each call,"
        " so that a removal counts at once."
    )
    async def my_organizations(self, info: Info) -> list[Organization]:
        answer = await info.context.call(
            info.context.peers.organizations.ListMyOrganizations, pb.ListMyOrganizationsRequest()
        )
        info.context.spend(len(answer.organizations))
        return views(Organization, answer.organizations)

    @auth_field(
        description="One organization. Fails with NOT_FOUND if the id is unknown or the caller is no member."
    )
    async def organization(
        self,
        info: Info,
        id: OrganizationIdArgument,
    ) -> Organization | None:
        request = pb.GetOrganizationRequest(organization_id=id)
        with naming(organization_id="id"):
            answer = await info.context.call(
                info.context.peers.organizations.GetOrganization, request
            )
        return Organization.of(answer.organization)

    @support_field(description="All organizations, the newest first.")
    async def organizations(
        self, info: Info, first: FirstArgument = DEFAULT_SIZE, after: AfterArgument = None
    ) -> OrganizationPage:
        request = pb.ListOrganizationsRequest(
            page_size=page_size(first, MAX_SIZE), page_token=after or ""
        )
        page = await page_of(
            info.context.call(info.context.peers.organizations.ListOrganizations, request), OF_FIELD
        )
        info.context.spend(len(page.organizations))
        return OrganizationPage(
            nodes=views(Organization, page.organizations),
            next_cursor=page.next_page_token or None,
        )

    @auth_field(
        description="The members of an organization, the longest-standing first. For its owners and managers."
    )
    async def organization_members(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
    ) -> MemberPage:
        request = pb.ListMembersRequest(
            organization_id=organization_id,
            page_size=page_size(first, MAX_SIZE),
            page_token=after or "",
        )
        page = await page_of(
            info.context.call(info.context.peers.organizations.ListMembers, request), OF_FIELD
        )
        info.context.spend(len(page.members))
        return MemberPage(
            nodes=views(OrganizationMember, page.members), next_cursor=page.next_page_token or None
        )

    @auth_field(
        description="The invitations of an organization, the newest first. For its owners and managers."
    )
    async def organization_invitations(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        open_only: OpenOnlyArgument = True,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
    ) -> InvitationPage:
        request = pb.ListInvitationsRequest(
            organization_id=organization_id,
            open_only=open_only,
            page_size=page_size(first, MAX_SIZE),
            page_token=after or "",
        )
        page = await page_of(
            info.context.call(info.context.peers.organizations.ListInvitations, request), OF_FIELD
        )
        info.context.spend(len(page.invitations))
        return InvitationPage(
            nodes=views(Invitation, page.invitations), next_cursor=page.next_page_token or None
        )

    @auth_field(
        description="The groups of an organization that are in use, by name: all groups for its owners,"
        " managers and the FINANCE role, and their own for other members."
    )
    async def organization_groups(
        self, info: Info, organization_id: OrganizationIdArgument
    ) -> list[OrganizationGroup]:
        request = pb.ListGroupsRequest(organization_id=organization_id)
        answer = await info.context.call(info.context.peers.organizations.ListGroups, request)
        info.context.spend(len(answer.groups))
        return views(OrganizationGroup, answer.groups)
