"""Helpers of the tests of organizations."""

from typing import Any

import grpc
import pytest

from protos.orders.v1 import organizations_pb2 as pb
from tests.component.orders.shop import Metadata
from tests.fixtures.organizations import Member, Organization
from tests.fixtures.rpc.refusals import reason_of


async def fields_of(call: Any) -> set[str]:
    """Return the names of the fields for which a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert reason_of(raised.value) == "INVALID_ARGUMENT"
    return {part.partition(":")[0] for part in (raised.value.details() or "").split("; ")}


def invite(
    acme: Organization,
    by: Member,
    email: str = "new@example.com",
    role: "pb.MemberRole.ValueType" = pb.MEMBER_ROLE_BUYER,
    group_id: str = "",
) -> Any:
    request = pb.InviteMemberRequest(
        organization_id=acme.id, email=email, role=role, group_id=group_id
    )
    return acme.service.InviteMember(request, metadata=by.metadata)


def accept(acme: Organization, token: str, session: Metadata) -> Any:
    return acme.service.AcceptInvitation(pb.AcceptInvitationRequest(token=token), metadata=session)


def set_role(
    acme: Organization, by: Member, member: Member, role: "pb.MemberRole.ValueType"
) -> Any:
    request = pb.SetMemberRoleRequest(
        organization_id=acme.id, user_id=str(member.user_id), role=role
    )
    return acme.service.SetMemberRole(request, metadata=by.metadata)


def remove(acme: Organization, by: Member, member: Member) -> Any:
    request = pb.RemoveMemberRequest(organization_id=acme.id, user_id=str(member.user_id))
    return acme.service.RemoveMember(request, metadata=by.metadata)


async def mine(acme: Organization, member: Member) -> dict[str, int]:
    """Return the organizations that a person sees, with their role in each."""
    answer = await acme.service.ListMyOrganizations(
        pb.ListMyOrganizationsRequest(), metadata=member.metadata
    )
    return {found.id: found.role for found in answer.organizations}
