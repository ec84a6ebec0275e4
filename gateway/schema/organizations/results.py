"""Results of the mutations of organizations."""

from typing import Self

import strawberry

from gateway.schema import results
from gateway.schema.organizations.types import (
    Invitation,
    Organization,
    OrganizationGroup,
    OrganizationMember,
    Propagation,
)
from protos.orders.v1 import organizations_pb2

PROPAGATION = (
    "DONE if every service applies the change already, else PROPAGATING;"
    " null if the request was refused."
)


def propagation(given: int) -> Propagation:
    """Return the schema's name of a propagation."""
    done = given == organizations_pb2.PROPAGATION_DONE
    return Propagation.DONE if done else Propagation.PROPAGATING


@strawberry.type(
    description="Result of `createOrganization`, `updateOrganization`, `suspendOrganization`,"
    " `resumeOrganization` and `acceptInvitation`."
)
class OrganizationResult:
    success: bool = strawberry.field(description=results.SUCCESS)
    organization: Organization | None = strawberry.field(
        default=None, description="The organization; null if the request was refused."
    )
    error: str | None = results.error()
    code: str | None = results.code("INVITATION_EXPIRED")

    @classmethod
    def of(cls, found: organizations_pb2.Organization) -> Self:
        return cls(success=True, organization=Organization.of(found))


@strawberry.type(description="Result of `inviteMember` and `revokeInvitation`.")
class InvitationResult:
    success: bool = strawberry.field(description=results.SUCCESS)
    invitation: Invitation | None = strawberry.field(
        default=None, description="The invitation; null if the request was refused."
    )
    token: str | None = strawberry.field(
        default=None,
        description="Secret for `acceptInvitation`. Only `inviteMember` returns it, and it can't be read"
        " again. Send it to the invited person only.",
    )
    link: str | None = strawberry.field(
        default=None,
        description="Page of the shop where the invited person accepts, with the token in it; null if `token`"
        " is null, or if the shop has not configured INVITATION_URL.",
    )
    error: str | None = results.error()
    code: str | None = results.code("MEMBER_ROLE_INSUFFICIENT")

    @classmethod
    def of(cls, found: organizations_pb2.Invitation, token: str = "", link: str = "") -> Self:
        return cls(
            success=True,
            invitation=Invitation.of(found),
            token=token or None,
            link=link or None,
        )


@strawberry.type(description="Result of `setMemberRole` and `removeMember`.")
class MemberResult:
    success: bool = strawberry.field(description=results.SUCCESS)
    member: OrganizationMember | None = strawberry.field(
        default=None,
        description="The member; null after a removal, and if the request was refused.",
    )
    propagation: Propagation | None = strawberry.field(default=None, description=PROPAGATION)
    error: str | None = results.error()
    code: str | None = results.code("LAST_OWNER")

    @classmethod
    def of(cls, found: organizations_pb2.Member | None, propagated: int) -> Self:
        return cls(
            success=True,
            member=OrganizationMember.of(found) if found is not None else None,
            propagation=propagation(propagated),
        )


@strawberry.type(
    description="Result of `createGroup`, `renameGroup`, `archiveGroup`, `addGroupMember` and"
    " `removeGroupMember`."
)
class GroupResult:
    success: bool = strawberry.field(description=results.SUCCESS)
    group: OrganizationGroup | None = strawberry.field(
        default=None,
        description="The group; null for `addGroupMember` and `removeGroupMember`, and if the request was"
        " refused.",
    )
    error: str | None = results.error()
    code: str | None = results.code("GROUP_EXISTS")

    @classmethod
    def of(cls, found: organizations_pb2.Group | None) -> Self:
        group = OrganizationGroup.of(found) if found is not None else None
        return cls(success=True, group=group)
