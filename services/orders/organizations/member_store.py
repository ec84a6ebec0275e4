"""SQL of members; nothing here commits."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.organizations.membership import MemberRole
from services.orders.organizations.organization import Change, Member

COLUMNS = """m.id, m.organization_id, m.user_id, m.role, m.email, m.since, array(
    select g.group_id from orders.group_members g
    where g.user_id = m.user_id and g.organization_id = m.organization_id order by g.added_at, g.group_id
) as groups"""
FIND = f"""
select {COLUMNS} from orders.members m
where m.organization_id = $1 and m.user_id = $2 and m.until is null
"""  # noqa: S608 - only constants of this file go in
AMONG = """
select user_id from orders.members
where organization_id = $1 and user_id = any($2::uuid[]) and until is null
"""
PAGE = f"""
select {COLUMNS} from orders.members m
where m.organization_id = $1 and m.until is null
    and ($2::timestamptz is null or (m.since, m.id) > ($2, $3::uuid))
order by m.since, m.id limit $4
"""  # noqa: S608 - the same
# In the order of the users, so that two members who change each other don't wait for each other forever. All
# owners too, so that their number does not change.
LOCK = """
select m.user_id from orders.members m
where m.organization_id = $1 and m.until is null and (m.user_id = any($2::uuid[]) or m.role = 'OWNER')
order by m.user_id for update
"""
HAS_OTHER_OWNER = """
select exists (
    select from orders.members
    where organization_id = $1 and user_id <> $2 and role = 'OWNER' and until is null
)
"""
# The trigger on the table has increased the number of changes, and its row is locked until the end.
VERSION = "select version from orders.organizations where id = $1"
ADD = """
insert into orders.members (organization_id, user_id, role, email, added_by) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
SET_ROLE = """
update orders.members set role = $3 where organization_id = $1 and user_id = $2 and until is null
"""
END = """
update orders.members set until = now(), removed_by = $3
where organization_id = $1 and user_id = $2 and until is null
returning role
"""
END_GROUPS = "delete from orders.group_members where organization_id = $1 and user_id = $2"


def read_row(row: Any) -> Member:
    """Build a member from a row with COLUMNS."""
    return Member(
        id=row["id"],
        organization_id=row["organization_id"],
        user_id=row["user_id"],
        role=MemberRole(row["role"]),
        email=row["email"],
        since=row["since"],
        groups=tuple(row["groups"]),
    )


async def lock(connection: Connection, organization_id: UUID, users: Collection[UUID]) -> None:
    """Lock the memberships of these users, and of all owners, until the transaction ends."""
    await connection.fetch(LOCK, organization_id, list(users))


async def has_other_owner(connection: Connection, organization_id: UUID, user_id: UUID) -> bool:
    """Return whether the organization has an owner besides this user."""
    return bool(await connection.fetchval(HAS_OTHER_OWNER, organization_id, user_id))


async def find(connection: Connection, organization_id: UUID, user_id: UUID) -> Member | None:
    """Return the active membership of a user; None if they are no member."""
    row = await connection.fetchrow(FIND, organization_id, user_id)
    return read_row(row) if row else None


async def members_among(
    connection: Connection, organization_id: UUID, users: Collection[UUID]
) -> set[UUID]:
    """Return which of these users are members of the organization."""
    rows = await connection.fetch(AMONG, organization_id, list(users))
    return {row["user_id"] for row in rows}


async def list_page(
    connection: Connection, organization_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[Member]:
    """Return at most `limit` members, longest-standing first, that come after a position."""
    since, member_id = after or (None, None)
    rows = await connection.fetch(PAGE, organization_id, since, member_id, limit)
    return [read_row(row) for row in rows]


async def add(
    connection: Connection,
    organization_id: UUID,
    user_id: UUID,
    role: MemberRole,
    email: str,
    actor: str,
) -> Change | None:
    """Make a user a member; None if they are one already."""
    done = await connection.execute(ADD, organization_id, user_id, role, email, actor)
    if done != "INSERT 0 1":
        return None
    return Change(organization_id, user_id, role, True, await _version(connection, organization_id))


async def set_role(
    connection: Connection, organization_id: UUID, user_id: UUID, role: MemberRole
) -> Change | None:
    """Change the role of a member; None if the user is none."""
    done = await connection.execute(SET_ROLE, organization_id, user_id, role)
    if done != "UPDATE 1":
        return None
    return Change(organization_id, user_id, role, True, await _version(connection, organization_id))


async def end(
    connection: Connection, organization_id: UUID, user_id: UUID, actor: str
) -> Change | None:
    """End a membership, also in groups; None if the user is no member."""
    role = await connection.fetchval(END, organization_id, user_id, actor)
    if role is None:
        return None
    await connection.execute(END_GROUPS, organization_id, user_id)
    version = await _version(connection, organization_id)
    return Change(organization_id, user_id, MemberRole(role), False, version)


async def _version(connection: Connection, organization_id: UUID) -> int:
    return int(await connection.fetchval(VERSION, organization_id))
