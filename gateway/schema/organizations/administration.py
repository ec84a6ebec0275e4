"""Mutations of organizations that only administrators may do."""

import strawberry

from gateway.errors import naming
from gateway.execution.auth import admin_field
from gateway.schema import results
from gateway.schema.organizations.organization_inputs import (
    CreateArgument,
    OrganizationIdArgument,
    UpdateArgument,
)
from gateway.schema.organizations.results import OrganizationResult
from gateway.upstream.context import Info
from protos.orders.v1 import organizations_pb2 as pb


@strawberry.type
class OrganizationAdministration:
    """Mixed into Mutation."""

    @admin_field(
        description="Creates an organization without members. Invite its owner next, with `inviteMember`."
    )
    @results.refusable(OrganizationResult)
    async def create_organization(
        self,
        info: Info,
        input: CreateArgument,
    ) -> OrganizationResult | None:
        answer = await info.context.change(
            info.context.peers.organizations.CreateOrganization, input.to_proto()
        )
        return OrganizationResult.of(answer.organization)

    @admin_field(description="Changes what the input sets, and nothing else.")
    @results.refusable(OrganizationResult)
    async def update_organization(
        self,
        info: Info,
        id: OrganizationIdArgument,
        input: UpdateArgument,
    ) -> OrganizationResult | None:
        organizations = info.context.peers.organizations
        with naming(organization_id="id"):
            found = await info.context.call(
                organizations.GetOrganization, pb.GetOrganizationRequest(organization_id=id)
            )
            request = input.to_proto(id, found.organization.currency)
            answer = await info.context.change(organizations.UpdateOrganization, request)
        return OrganizationResult.of(answer.organization)

    @admin_field(
        description="Stops purchases, invitations and new groups of an organization. Members can still read"
        " and be removed. Safe to repeat."
    )
    @results.refusable(OrganizationResult)
    async def suspend_organization(
        self,
        info: Info,
        id: OrganizationIdArgument,
    ) -> OrganizationResult | None:
        request = pb.SuspendOrganizationRequest(organization_id=id)
        with naming(organization_id="id"):
            answer = await info.context.change(
                info.context.peers.organizations.SuspendOrganization, request
            )
        return OrganizationResult.of(answer.organization)

    @admin_field(description="Ends a suspension. Safe to repeat.")
    @results.refusable(OrganizationResult)
    async def resume_organization(
        self,
        info: Info,
        id: OrganizationIdArgument,
    ) -> OrganizationResult | None:
        request = pb.ResumeOrganizationRequest(organization_id=id)
        with naming(organization_id="id"):
            answer = await info.context.change(
                info.context.peers.organizations.ResumeOrganization, request
            )
        return OrganizationResult.of(answer.organization)
