"""Organizations, and what belongs to them, as the database holds them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from services.orders.organizations.membership import Billing, MemberRole


@dataclass(frozen=True, slots=True)
class Profile:
    """What the shop enters about an organization."""

    name: str
    billing_address: str
    country: str
    tax_id: str
    currency: str
    billing: Billing
    credit_limit: Decimal
    locale: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Organization:
    """A company that buys for many people."""

    id: UUID
    profile: Profile
    credit_reserved: Decimal
    credit_owed: Decimal
    suspended: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """An active membership with the groups that the member may buy for."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    role: MemberRole
    email: str
    since: datetime
    groups: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A changed membership, with the number that orders the changes of its organization."""

    organization_id: UUID
    user_id: UUID
    role: MemberRole
    active: bool
    version: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link with which a person joins an organization, once."""

    id: UUID
    organization_id: UUID
    email: str
    role: MemberRole
    group_id: UUID | None
    invited_by: str
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Group:
    """A department or a trip of an organization."""

    id: UUID
    organization_id: UUID
    name: str
    archived_at: datetime | None
    created_at: datetime
