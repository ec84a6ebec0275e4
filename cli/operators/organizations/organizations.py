"""Operations of `esimgo organizations`: companies, their members and invitations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from cli.config.access import Access
from cli.operators import output
from cli.operators.organizations.profiles import Change, NewOrganization
from cli.operators.service import Service, connect
from protos.orders.v1 import organizations_pb2 as pb
from protos.orders.v1.organizations_pb2_grpc import OrganizationsServiceStub

PAGE = 500
TITLES = ("id", "name", "currency", "billing", "owed", "credit limit", "state")
MEMBER_TITLES = ("account", "role", "e-mail", "since", "groups")
INVITATION_TITLES = ("id", "e-mail", "role", "created", "ends", "state")


@dataclass(frozen=True, slots=True)
class Organizations:
    """Organizations for the staff. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def create(self, name: str, options: NewOrganization) -> list[str]:
        """Create an organization without members."""
        created = await self.service.call("CreateOrganization", options.to_proto(name))
        return self._one(
            created.organization, f"{name} was created: {created.organization.id}", invite=True
        )

    async def update(self, organization: UUID, change: Change) -> list[str]:
        """Change an organization, and show it."""
        id_ = str(organization)
        asking = pb.GetOrganizationRequest(organization_id=id_)
        currency = (await self.service.call("GetOrganization", asking)).organization.currency
        answer = await self.service.call("UpdateOrganization", change.to_proto(id_, currency))
        return (
            output.document(answer.organization) if self.as_json else _details(answer.organization)
        )

    async def list_organizations(self, limit: int) -> list[str]:
        """List organizations, newest first."""
        request = pb.ListOrganizationsRequest(page_size=min(limit, PAGE))
        found = await self.service.listed("ListOrganizations", request, "organizations", limit)
        if self.as_json:
            return output.document(found)
        return output.table(TITLES, map(_row, found), "no organization")

    async def show(self, organization: UUID) -> list[str]:
        """Show an organization with its groups and open invitations."""
        id_ = str(organization)
        found = (
            await self.service.call(
                "GetOrganization", pb.GetOrganizationRequest(organization_id=id_)
            )
        ).organization
        groups = await self.service.call("ListGroups", pb.ListGroupsRequest(organization_id=id_))
        invitations = await self.service.call(
            "ListInvitations",
            pb.ListInvitationsRequest(organization_id=id_, open_only=True, page_size=PAGE),
        )
        if self.as_json:
            return output.document(
                {
                    "organization": found,
                    "groups": list(groups.groups),
                    "invitations": list(invitations.invitations),
                }
            )
        return [
            *_details(found),
            "",
            *output.table(
                ("id", "group"), ((one.id, one.name) for one in groups.groups), "no groups"
            ),
            "",
            *output.table(
                INVITATION_TITLES,
                map(_invitation_row, invitations.invitations),
                "no open invitations",
            ),
        ]

    async def members(self, organization: UUID) -> list[str]:
        """List all members, the longest-standing first."""
        request = pb.ListMembersRequest(organization_id=str(organization), page_size=PAGE)
        found = await self.service.listed("ListMembers", request, "members")
        if self.as_json:
            return output.document(found)
        return output.table(MEMBER_TITLES, map(_member_row, found), "no members")

    async def invite(
        self, organization: UUID, email: str, role: str, group: UUID | None
    ) -> list[str]:
        """Create an invitation, and print its link or its token."""
        request = pb.InviteMemberRequest(
            organization_id=str(organization),
            email=email,
            role=_role(role),
            group_id=str(group) if group else "",
        )
        answer = await self.service.call("InviteMember", request)
        if self.as_json:
            return output.document(answer)
        ends = output.moment(answer.invitation, "expires_at")
        return [
            f"{email} can join as {role.lower()} until {ends}. Send them this, which is shown only once:",
            answer.link or answer.token,
        ]

    async def remove(self, organization: UUID, user: UUID) -> list[str]:
        """End a membership at once."""
        request = pb.RemoveMemberRequest(organization_id=str(organization), user_id=str(user))
        answer = await self.service.call("RemoveMember", request)
        if self.as_json:
            return output.document(answer)
        if answer.propagation == pb.PROPAGATION_DONE:
            return ["the member was removed, and every service refuses them"]
        return [
            "the member was removed; orders refuses them, and esims will as soon as it is reached again"
        ]

    async def set_suspended(self, organization: UUID, *, suspended: bool) -> list[str]:
        """Begin or end a suspension. Idempotent."""
        id_ = str(organization)
        answer = await (
            self.service.call(
                "SuspendOrganization", pb.SuspendOrganizationRequest(organization_id=id_)
            )
            if suspended
            else self.service.call(
                "ResumeOrganization", pb.ResumeOrganizationRequest(organization_id=id_)
            )
        )
        name = answer.organization.name
        done = (
            f"{name} is suspended: it can't buy or invite anybody"
            if suspended
            else f"{name} can buy again"
        )
        return self._one(answer.organization, done)

    def _one(self, found: pb.Organization, text: str, *, invite: bool = False) -> list[str]:
        if self.as_json:
            return output.document(found)
        hint = f"invite its owner: esimgo organizations invite {found.id} EMAIL --role owner"
        return [text, hint] if invite else [text]


@asynccontextmanager
async def open_organizations(
    access: Access, token: str | None, *, as_json: bool
) -> AsyncIterator[Organizations]:
    """Connect with the token of the staff, or else with the service role key."""
    async with connect(access, "orders", OrganizationsServiceStub, token=token) as service:
        yield Organizations(service, as_json)


def _role(name: str) -> "pb.MemberRole.ValueType":
    return pb.MemberRole.Value(f"MEMBER_ROLE_{name.upper()}")


def _role_name(role: "pb.MemberRole.ValueType") -> str:
    return pb.MemberRole.Name(role).removeprefix("MEMBER_ROLE_").lower()


def _state(found: pb.Organization) -> str:
    return "suspended" if found.status == pb.ORGANIZATION_STATUS_SUSPENDED else "active"


def _billing(found: pb.Organization) -> str:
    return pb.Billing.Name(found.billing).removeprefix("BILLING_").lower()


def _details(found: pb.Organization) -> list[str]:
    lines = [
        f"{found.name}: {_state(found)}, created {output.moment(found, 'created_at')}",
        f"pays in {found.currency} by {_billing(found)}; zone {found.time_zone}, locale {found.locale}",
    ]
    if found.HasField("credit_limit"):
        lines.append(
            f"owes {output.amount(found.credit_owed)}, {output.amount(found.credit_reserved)} reserved, of"
            f" {output.amount(found.credit_limit)}"
        )
    if found.billing_address or found.country or found.tax_id:
        address = ", ".join(filter(None, (*found.billing_address.splitlines(), found.country)))
        lines.append(f"{address or 'no address'}; tax id {found.tax_id or 'unknown'}")
    return lines


def _row(found: pb.Organization) -> tuple[str, ...]:
    credit = found.HasField("credit_limit")
    return (
        found.id,
        found.name,
        found.currency,
        _billing(found),
        output.amount(found.credit_owed) if credit else "",
        output.amount(found.credit_limit) if credit else "",
        _state(found),
    )


def _member_row(member: pb.Member) -> tuple[str, ...]:
    return (
        member.user_id,
        _role_name(member.role),
        member.email or "(API key)",
        output.moment(member, "since"),
        str(len(member.group_ids)),
    )


def _invitation_row(found: pb.Invitation) -> tuple[str, ...]:
    return (
        found.id,
        found.email,
        _role_name(found.role),
        output.moment(found, "created_at"),
        output.moment(found, "expires_at"),
        "open",
    )
