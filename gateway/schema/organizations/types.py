"""Types of organizations, and of what belongs to them."""

from datetime import datetime
from enum import Enum

import strawberry

from gateway.execution.columns import (
    enum,
    exact_amount,
    optional_time,
    strings,
    text,
    timestamp,
)
from gateway.execution.views import View, read
from gateway.schema.prices.price_lists import NEXT
from protos.orders.v1 import organizations_pb2

ACCOUNTING_ONLY = " Null for members with another role than OWNER, MANAGER or FINANCE."


@strawberry.enum(description="Role of a member in one organization.")
class MemberRole(Enum):
    OWNER = strawberry.enum_value("OWNER", description="May do everything in the organization.")
    MANAGER = strawberry.enum_value(
        "MANAGER", description="Manages members, groups, budgets, orders and eSIMs."
    )
    BUYER = strawberry.enum_value("BUYER", description="Buys, and sees what they bought.")
    FINANCE = strawberry.enum_value(
        "FINANCE",
        description="Sees budgets, the wallet, statements and reports, and makes exports, which also list"
        " orders and eSIMs. Can't open an order or an eSIM, and gets no activation codes.",
    )
    TRAVELER = strawberry.enum_value(
        "TRAVELER", description="Sees the eSIMs that are assigned to them."
    )


@strawberry.enum(description="How an organization pays.")
class OrganizationBilling(Enum):
    PREPAID = strawberry.enum_value("PREPAID", description="From the organization's wallet.")
    INVOICE = strawberry.enum_value(
        "INVOICE", description="On account, up to its credit limit, by monthly statements."
    )
    CARD = strawberry.enum_value("CARD", description="Each buyer pays by card.")


@strawberry.enum(description="Status of an organization.")
class OrganizationStatus(Enum):
    ACTIVE = strawberry.enum_value("ACTIVE", description="It can buy.")
    SUSPENDED = strawberry.enum_value(
        "SUSPENDED",
        description="The shop has stopped its purchases and invitations. Members can still read.",
    )


@strawberry.enum(description="Status of a change of a membership across the services.")
class Propagation(Enum):
    DONE = strawberry.enum_value("DONE", description="Every service applies the change.")
    PROPAGATING = strawberry.enum_value(
        "PROPAGATING",
        description="The orders service applies the change. The eSIMs service could not be reached, and"
        " applies it as soon as it is back.",
    )


@strawberry.type(description="A company that buys for many people.")
class Organization(View):
    id: strawberry.ID = read("id", description="A UUID.")
    name: str = read("name", description="Name of the company.")
    billing_address: str | None = read(
        text("billing_address"), description="Address on its statements." + ACCOUNTING_ONLY
    )
    country: str | None = read(
        text("country"), description="ISO 3166-1 alpha-2 code of its country; null if not known."
    )
    tax_id: str | None = read(
        text("tax_id"), description="Tax id on its statements." + ACCOUNTING_ONLY
    )
    currency: str = read(
        "currency",
        description="ISO 4217 code of its orders, wallet, budgets and statements, and of the price list that"
        " it buys from. It never changes.",
    )
    billing: OrganizationBilling = read(
        enum("billing", OrganizationBilling, organizations_pb2.Billing, "BILLING_"),
        description="How it pays.",
    )
    credit_limit: str | None = read(
        exact_amount("credit_limit", optional=True),
        description="What it may owe, as a decimal string; null unless it pays by invoice."
        + ACCOUNTING_ONLY,
    )
    credit_reserved: str | None = read(
        exact_amount("credit_reserved", optional=True),
        description="What its unfinished orders on account will cost, as a decimal string."
        + ACCOUNTING_ONLY,
    )
    credit_owed: str | None = read(
        exact_amount("credit_owed", optional=True),
        description="What it owes for delivered orders on account, as a decimal string; negative after a"
        " credit note for an amount that was already paid." + ACCOUNTING_ONLY,
    )
    status: OrganizationStatus = read(
        enum(
            "status",
            OrganizationStatus,
            organizations_pb2.OrganizationStatus,
            "ORGANIZATION_STATUS_",
        ),
        description="Status of the organization; only an ACTIVE one can buy.",
    )
    locale: str = read("locale", description="BCP 47 tag of its language, such as de-AT.")
    time_zone: str = read(
        "time_zone",
        description="IANA name of its time zone, such as Europe/Berlin: its calendar months begin at midnight"
        " there.",
    )
    created_at: datetime = read(timestamp("created_at"), description="When it was created.")
    role: MemberRole | None = read(
        enum("role", MemberRole, organizations_pb2.MemberRole, "MEMBER_ROLE_", optional=True),
        description="Role of the caller; null for the staff.",
    )
    proto: strawberry.Private[organizations_pb2.Organization]


@strawberry.type(description="A member of an organization.")
class OrganizationMember(View):
    id: strawberry.ID = read("id", description="Id of the membership, a UUID.")
    user_id: strawberry.ID = read("user_id", description="Id of the account, a UUID.")
    role: MemberRole = read(
        enum("role", MemberRole, organizations_pb2.MemberRole, "MEMBER_ROLE_"),
        description="Role in the organization.",
    )
    email: str | None = read(
        text("email"),
        description="E-mail address with which the member joined; null for API keys.",
    )
    since: datetime = read(timestamp("since"), description="When the membership began.")
    group_ids: list[strawberry.ID] = read(
        strings("group_ids"), description="Ids of the groups that the member may buy for."
    )
    proto: strawberry.Private[organizations_pb2.Member]


@strawberry.type(description="A page of members.")
class MemberPage:
    nodes: list[OrganizationMember] = strawberry.field(description="The members of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.type(description="A link with which a person joins an organization, once.")
class Invitation(View):
    id: strawberry.ID = read("id", description="A UUID.")
    email: str = read("email", description="E-mail address of the person who can accept it.")
    role: MemberRole = read(
        enum("role", MemberRole, organizations_pb2.MemberRole, "MEMBER_ROLE_"),
        description="Role that the person gets.",
    )
    group_id: strawberry.ID | None = read(
        text("group_id"), description="Id of the group that the person joins too; null if none."
    )
    created_at: datetime = read(timestamp("created_at"), description="When it was created.")
    expires_at: datetime = read(timestamp("expires_at"), description="When it ends.")
    accepted_at: datetime | None = read(
        optional_time("accepted_at"), description="When it was accepted; null if it was not."
    )
    revoked_at: datetime | None = read(
        optional_time("revoked_at"), description="When it was revoked; null if it was not."
    )
    proto: strawberry.Private[organizations_pb2.Invitation]


@strawberry.type(description="A page of invitations.")
class InvitationPage:
    nodes: list[Invitation] = strawberry.field(description="The invitations of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.type(description="A department or a trip of an organization.")
class OrganizationGroup(View):
    id: strawberry.ID = read("id", description="A UUID.")
    name: str = read("name", description="Name, unique among the groups that are in use.")
    archived_at: datetime | None = read(
        optional_time("archived_at"),
        description="When it was archived: nothing can be bought for it since. Null while it is in use.",
    )
    created_at: datetime = read(timestamp("created_at"), description="When it was created.")
    proto: strawberry.Private[organizations_pb2.Group]


@strawberry.type(description="A page of organizations.")
class OrganizationPage:
    nodes: list[Organization] = strawberry.field(description="The organizations of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)
