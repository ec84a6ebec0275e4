"""What a member may do in an organization, read from its rows in the transaction that relies on it."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from kit.auth.sessions import Role, Session
from kit.db.database import Connection
from kit.errors import Failure, Kind


class MemberRole(StrEnum):
    """Role of a member in one organization.

    OWNER may do everything in it. MANAGER manages members, groups, budgets and orders. BUYER buys, and sees
    what they bought. FINANCE sees budgets, wallet, statements and exports, but no other lists of orders.
    TRAVELER sees the eSIMs that are assigned to them.
    """

    OWNER = "OWNER"
    MANAGER = "MANAGER"
    BUYER = "BUYER"
    FINANCE = "FINANCE"
    TRAVELER = "TRAVELER"


MANAGING = frozenset({MemberRole.OWNER, MemberRole.MANAGER})
BUYING = MANAGING | {MemberRole.BUYER}
ACCOUNTING = MANAGING | {MemberRole.FINANCE}


class Billing(StrEnum):
    """How an organization pays: from its wallet, on account, or by the card of each buyer."""

    PREPAID = "PREPAID"
    INVOICE = "INVOICE"
    CARD = "CARD"


@dataclass(frozen=True, slots=True)
class Membership:
    """An active member of an organization, with what a purchase needs to know of it."""

    organization_id: UUID
    user_id: UUID
    role: MemberRole
    groups: frozenset[UUID]
    currency: str
    billing: Billing
    suspended: bool
    time_zone: str

    def require(self, roles: Collection[MemberRole]) -> None:
        """Raise Failure FORBIDDEN (MEMBER_ROLE_INSUFFICIENT) for a member with another role."""
        if self.role not in roles:
            raise Failure(
                Kind.FORBIDDEN,
                "MEMBER_ROLE_INSUFFICIENT",
                f"Your role in this organization is {self.role}, and this needs"
                f" {' or '.join(sorted(roles))}; ask an owner",
                details={"role": self.role},
            )

    def require_active(self) -> None:
        """Raise Failure REFUSED (ORGANIZATION_SUSPENDED) if the shop has suspended the organization."""
        if self.suspended:
            raise suspended()


FIND = """
select m.role, o.currency, o.billing, o.status, o.time_zone,
    array(
        select g.group_id from orders.group_members g
        where g.user_id = m.user_id and g.organization_id = m.organization_id
    ) as groups
from orders.members m join orders.organizations o on o.id = m.organization_id
where m.organization_id = $1 and m.user_id = $2 and m.until is null
"""


async def find(
    connection: Connection, organization_id: UUID, user_id: UUID, *, lock: bool = False
) -> Membership:
    """Return the membership of a user; `connection` is the system's.

    With `lock`, a removal of the member waits until the transaction ends, or is seen. Raises Failure
    NOT_FOUND (ORGANIZATION_NOT_FOUND) also for an organization of which the user is no member.
    """
    row = await connection.fetchrow(
        f"{FIND} for share of m" if lock else FIND, organization_id, user_id
    )
    if row is None:
        raise not_found()
    return Membership(
        organization_id,
        user_id,
        MemberRole(row["role"]),
        frozenset(row["groups"]),
        row["currency"],
        Billing(row["billing"]),
        row["status"] == "SUSPENDED",
        row["time_zone"],
    )


async def check_acts(
    connection: Connection, organization_id: UUID | None, buyer_id: UUID, session: Session
) -> None:
    """Raise Failure unless the caller may still act on what a buyer has bought for an organization.

    Row security decides that when an order or a batch is read. This repeats it in the transaction that
    changes it: a removal of the caller waits for its end, or is seen. Raises Failure as `find` does, and
    FORBIDDEN (MEMBER_ROLE_INSUFFICIENT). What belongs to no organization stays its customer's.
    """
    if organization_id is None or session.role is not Role.CUSTOMER or session.user_id is None:
        return
    member = await find(connection, organization_id, session.user_id, lock=True)
    member.require(BUYING if session.user_id == buyer_id else MANAGING)


OF_BATCH = """
select currency, billing, status, time_zone from orders.organizations where id = $1
"""


async def of_batch(connection: Connection, organization_id: UUID, user_id: UUID) -> Membership:
    """Return as which member the batch of a user is bought: as a manager, even after the user's removal."""
    row = await connection.fetchrow(OF_BATCH, organization_id)
    if row is None:
        raise not_found()
    return Membership(
        organization_id,
        user_id,
        MemberRole.MANAGER,
        frozenset(),
        row["currency"],
        Billing(row["billing"]),
        row["status"] == "SUSPENDED",
        row["time_zone"],
    )


def not_found() -> Failure:
    """Return the failure for an organization that is unknown, or of which the caller is no member."""
    return Failure(
        Kind.NOT_FOUND,
        "ORGANIZATION_NOT_FOUND",
        "You are not a member of an organization with this id; list your organizations",
    )


def suspended() -> Failure:
    """Return the failure for a change in an organization that the shop has suspended."""
    return Failure(
        Kind.REFUSED,
        "ORGANIZATION_SUSPENDED",
        "This organization is suspended, so nothing was changed; ask the shop",
    )
