"""Results of the mutations of organizations."""

from typing import Self

import strawberry

from gateway.errors import refusal
from gateway.schema.organizations.types import (
    Invitation,
    Organization,
    OrganizationGroup,
    OrganizationMember,
    Propagation,
)
from kit.errors import Failure
from protos.orders.v1 import organizations_pb2

SUCCESS = "True unless the request was refused."
ERROR = "Human-readable reason of the refusal; null on success."
CODE = "Machine-readable reason of the refusal, such as {}; null on success."
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
    success: bool = strawberry.field(description=SUCCESS)
    organization: Organization | None = strawberry.field(
        description="The organization; null if the request was refused."
    )
    error: str | None = strawberry.field(description=ERROR)
    code: str | None = strawberry.field(description=CODE.format("INVITATION_EXPIRED"))

    @classmethod
    def of(cls, found: organizations_pb2.Organization) -> Self:
        return cls(success=True, organization=Organization.of(found), error=None, code=None)

    @classmethod
    def refused(cls, failure: Failure) -> Self:
        """Return the result for a refusal; raise any other failure."""
        message, code = refusal(failure)
        return cls(success=False, organization=None, error=message, code=code)


@strawberry.type(description="Result of `inviteMember` and `revokeInvitation`.")
class InvitationResult:
    success: bool = strawberry.field(description=SUCCESS)
    invitation: Invitation | None = strawberry.field(
        description="The invitation; null if the request was refused."
    )
    token: str | None = strawberry.field(
        description="Secret for `acceptInvitation`. Only `inviteMember` returns it, and it can't be read"
        " again. Send it to the invited person only."
    )
    link: str | None = strawberry.field(
        description="Page of the shop where the invited person accepts, with the token in it; null if `token`"
        " is null, or if the shop has not configured INVITATION_URL."
    )
    error: str | None = strawberry.field(description=ERROR)
    code: str | None = strawberry.field(description=CODE.format("MEMBER_ROLE_INSUFFICIENT"))

    @classmethod
    def of(cls, found: organizations_pb2.Invitation, token: str = "", link: str = "") -> Self:
        return cls(
            success=True,
            invitation=Invitation.of(found),
            token=token or None,
            link=link or None,
            error=None,
            code=None,
        )

    @classmethod
    def refused(cls, failure: Failure) -> Self:
        """Return the result for a refusal; raise any other failure."""
        message, code = refusal(failure)
        return cls(success=False, invitation=None, token=None, link=None, error=message, code=code)


@strawberry.type(description="Result of `setMemberRole` and `removeMember`.")
class MemberResult:
    success: bool = strawberry.field(description=SUCCESS)
    member: OrganizationMember | None = strawberry.field(
        description="The member; null after a removal, and if the request was refused."
    )
    propagation: Propagation | None = strawberry.field(description=PROPAGATION)
    error: str | None = strawberry.field(description=ERROR)
    code: str | None = strawberry.field(description=CODE.format("LAST_OWNER"))

    @classmethod
    def of(cls, found: organizations_pb2.Member | None, propagated: int) -> Self:
        return cls(
            success=True,
            member=OrganizationMember.of(found) if found is not None else None,
            propagation=propagation(propagated),
            error=None,
            code=None,
        )

    @classmethod
    def refused(cls, failure: Failure) -> Self:
        """Return the result for a refusal; raise any other failure."""
        message, code = refusal(failure)
        return cls(success=False, member=None, propagation=None, error=message, code=code)


@strawberry.type(
    description="Result of `createGroup`, `renameGroup`, `archiveGroup`, `addGroupMember` and"
    " `removeGroupMember`."
)
class GroupResult:
    success: bool = strawberry.field(description=SUCCESS)
    group: OrganizationGroup | None = strawberry.field(
        description="The group; null for `addGroupMember` and `removeGroupMember`, and if the request was"
        " refused."
    )
    error: str | None = strawberry.field(description=ERROR)
    code: str | None = strawberry.field(description=CODE.format("GROUP_EXISTS"))

    @classmethod
    def of(cls, found: organizations_pb2.Group | None) -> Self:
        group = OrganizationGroup.of(found) if found is not None else None
        return cls(success=True, group=group, error=None, code=None)

    @classmethod
    def refused(cls, failure: Failure) -> Self:
        """Return the result for a refusal; raise any other failure."""
        message, code = refusal(failure)
        return cls(success=False, group=None, error=message, code=code)
