"""Inputs and arguments of organizations."""

from typing import Annotated

import strawberry

from gateway.schema import inputs
from gateway.schema.organizations.types import MemberRole, OrganizationBilling
from protos.orders.v1 import organizations_pb2 as pb

# Rows of a page.
DEFAULT_SIZE = 50
MAX_SIZE = 500


@strawberry.input(description="A new organization.")
class CreateOrganizationInput:
    name: str = strawberry.field(description="Name of the company, 1 to 200 characters.")
    currency: str = strawberry.field(
        description="ISO 4217 code of the price list that it buys from; without such a list, its purchases"
        " are refused with ORGANIZATION_WITHOUT_PRICES. It can't be changed later."
    )
    billing: OrganizationBilling = strawberry.field(
        default=OrganizationBilling.PREPAID, description="How it pays."
    )
    credit_limit: str | None = strawberry.field(
        default=None,
        description='What it may owe, as a decimal string such as "5000"; only with INVOICE.',
    )
    billing_address: str = strawberry.field(
        default="",
        description="Address on its statements, in one line or several, at most 1,000 characters.",
    )
    country: str = strawberry.field(
        default="", description="ISO code or English name of its country."
    )
    tax_id: str = strawberry.field(
        default="", description="Tax id, whose form is checked by the rules of `country`."
    )
    locale: str = strawberry.field(default="en", description="BCP 47 tag of its language.")
    time_zone: str = strawberry.field(
        default="UTC", description="IANA name of its time zone, such as Europe/Berlin."
    )

    def to_proto(self) -> pb.CreateOrganizationRequest:
        """Return the request; raise Failure INVALID."""
        return pb.CreateOrganizationRequest(
            name=self.name,
            currency=self.currency,
            billing=billing(self.billing),
            credit_limit=None
            if self.credit_limit is None
            else inputs.amount("credit_limit", self.credit_limit, self.currency),
            billing_address=self.billing_address,
            country=self.country,
            tax_id=self.tax_id,
            locale=self.locale,
            time_zone=self.time_zone,
        )


@strawberry.input(
    description="Changes of an organization. Omitted fields stay; the currency can't be changed."
)
class UpdateOrganizationInput:
    name: str | None = strawberry.field(
        default=None, description="Name of the company, 1 to 200 characters."
    )
    billing: OrganizationBilling | None = strawberry.field(
        default=None,
        description="How it pays. Without INVOICE it loses its credit limit.",
    )
    credit_limit: str | None = strawberry.field(
        default=None, description="What it may owe, as a decimal string; only with INVOICE."
    )
    billing_address: str | None = strawberry.field(
        default=None,
        description="Address on its statements, in one line or several, at most 1,000 characters.",
    )
    country: str | None = strawberry.field(
        default=None, description="ISO code or English name of its country."
    )
    tax_id: str | None = strawberry.field(
        default=None, description="Tax id, whose form is checked by the rules of `country`."
    )
    locale: str | None = strawberry.field(default=None, description="BCP 47 tag of its language.")
    time_zone: str | None = strawberry.field(
        default=None, description="IANA name of its time zone, such as Europe/Berlin."
    )

    def to_proto(self, organization_id: str, currency: str) -> pb.UpdateOrganizationRequest:
        """Return the request; raise Failure INVALID."""
        return pb.UpdateOrganizationRequest(
            organization_id=organization_id,
            name=self.name,
            billing=pb.BILLING_UNSPECIFIED if self.billing is None else billing(self.billing),
            credit_limit=None
            if self.credit_limit is None
            else inputs.amount("credit_limit", self.credit_limit, currency),
            billing_address=self.billing_address,
            country=self.country,
            tax_id=self.tax_id,
            locale=self.locale,
            time_zone=self.time_zone,
        )


@strawberry.input(description="A person to invite.")
class InviteMemberInput:
    email: str = strawberry.field(
        description="E-mail address of the account with which the person accepts."
    )
    role: MemberRole = strawberry.field(
        description="Role of the person. Only owners invite owners, and replace an open invitation of one."
    )
    group_id: strawberry.ID | None = strawberry.field(
        default=None, description="Group that the person joins too. Omit for none."
    )


def billing(given: OrganizationBilling) -> "pb.Billing.ValueType":
    return pb.Billing.Value(f"BILLING_{given.name}")


def role(given: MemberRole) -> "pb.MemberRole.ValueType":
    return pb.MemberRole.Value(f"MEMBER_ROLE_{given.name}")


OrganizationIdArgument = Annotated[
    strawberry.ID, strawberry.argument(description="The organization's id.")
]
CreateArgument = Annotated[
    CreateOrganizationInput, strawberry.argument(description="The new organization.")
]
UpdateArgument = Annotated[
    UpdateOrganizationInput, strawberry.argument(description="What to change.")
]
InviteArgument = Annotated[InviteMemberInput, strawberry.argument(description="Whom to invite.")]
TokenArgument = Annotated[
    str, strawberry.argument(description="The token that `inviteMember` returned.")
]
InvitationIdArgument = Annotated[
    strawberry.ID, strawberry.argument(description="The invitation's id.")
]
UserIdArgument = Annotated[
    strawberry.ID, strawberry.argument(description="Id of the member's account.")
]
RoleArgument = Annotated[MemberRole, strawberry.argument(description="The new role.")]
GroupIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The group's id.")]
GroupNameArgument = Annotated[
    str, strawberry.argument(description="Name of the group, 1 to 200 characters.")
]
FirstArgument = Annotated[
    int, strawberry.argument(description=f"Maximum number to return, 1 to {MAX_SIZE}.")
]
AfterArgument = Annotated[
    str | None,
    strawberry.argument(
        description="Return those after this cursor, which is the `nextCursor` of the page before."
    ),
]
OpenOnlyArgument = Annotated[
    bool, strawberry.argument(description="Return only invitations that can still be accepted.")
]
