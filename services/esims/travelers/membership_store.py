"""SQL of the replica of memberships; every function takes the connection and commits nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind


class MemberRole(StrEnum):
    """Role of a member in one organization, as the orders service names it."""

    OWNER = "OWNER"
    MANAGER = "MANAGER"
    BUYER = "BUYER"
    FINANCE = "FINANCE"
    TRAVELER = "TRAVELER"


# Roles that see and manage everything of the organization.
MANAGING = frozenset({MemberRole.OWNER, MemberRole.MANAGER})


@dataclass(frozen=True, slots=True)
class Membership:
    """The state of one person in one organization after the organization's change number `version`."""

    organization_id: UUID
    user_id: UUID
    role: MemberRole
    active: bool
    version: int


# Sorted, so that two transactions lock rows in the same order.
APPLY = """
    insert into esims.memberships as m (organization_id, user_id, role, active, version)
    select n.organization_id, n.user_id, n.role, n.active, n.version
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::bigint[])
        as n(organization_id, user_id, role, active, version)
    order by n.organization_id, n.user_id
    on conflict (organization_id, user_id) do update
    set role = excluded.role, active = excluded.active, version = excluded.version, updated_at = now()
    where m.version < excluded.version
"""


async def apply(connection: Connection, memberships: Sequence[Membership]) -> None:
    """Record memberships in any order; a version that is not higher than the recorded one is ignored."""
    newest: dict[tuple[UUID, UUID], Membership] = {}
    for one in memberships:
        key = (one.organization_id, one.user_id)
        if key not in newest or newest[key].version < one.version:
            newest[key] = one
    rows = list(newest.values())
    await connection.execute(
        APPLY,
        [row.organization_id for row in rows],
        [row.user_id for row in rows],
        [row.role for row in rows],
        [row.active for row in rows],
        [row.version for row in rows],
    )


CURSOR = "select cursor from esims.change_cursors where source = $1"


async def cursor(connection: Connection, source: str) -> str:
    """Return up to where the changes of another owner are applied; empty at first."""
    return str(await connection.fetchval(CURSOR, source) or "")


SET_CURSOR = """
    insert into esims.change_cursors (source, cursor) values ($1, $2)
    on conflict (source) do update set cursor = excluded.cursor, updated_at = now()
"""


async def set_cursor(connection: Connection, source: str, cursor: str) -> None:
    await connection.execute(SET_CURSOR, source, cursor)


ROLE_OF = """
    select role from esims.memberships where organization_id = $1 and user_id = $2 and active
"""


async def role_of(
    connection: Connection, organization_id: UUID, user_id: UUID, *, lock: bool = False
) -> MemberRole | None:
    """Return the role of a member; None for anybody else.

    With `lock`, which needs the system's connection, a change of the membership waits until the transaction
    ends.
    """
    query = f"{ROLE_OF} for share" if lock else ROLE_OF
    role = await connection.fetchval(query, organization_id, user_id)
    return None if role is None else MemberRole(role)


async def require(
    connection: Connection, organization_id: UUID, user_id: UUID, roles: Collection[MemberRole]
) -> MemberRole:
    """Return the role of a member.

    Raises Failure NOT_FOUND (ORGANIZATION_NOT_FOUND) for anybody else, and FORBIDDEN
    (MEMBER_ROLE_INSUFFICIENT) for another role.
    """
    role = await role_of(connection, organization_id, user_id)
    if role is None:
        raise not_found()
    if role not in roles:
        raise Failure(
            Kind.FORBIDDEN,
            "MEMBER_ROLE_INSUFFICIENT",
            f"Your role in this organization is {role}, and this needs {' or '.join(sorted(roles))}; ask an"
            " owner",
            details={"role": role},
        )
    return role


def not_found() -> Failure:
    """Return the failure for an organization that is unknown, or of which the caller is no member."""
    return Failure(
        Kind.NOT_FOUND,
        "ORGANIZATION_NOT_FOUND",
        "You are not a member of an organization with this id; list your organizations",
    )
