"""SQL of groups; nothing here commits."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.organizations.organization import Group

COLUMNS = "g.id, g.organization_id, g.name, g.archived_at, g.created_at"
CREATE = f"""
insert into orders.groups as g (organization_id, name, created_by) values ($1, $2, $3)
returning {COLUMNS}
"""  # noqa: S608 - only constants of this file go in
FIND = f"select {COLUMNS} from orders.groups g where g.id = $1"  # noqa: S608 - the same
LIST = f"""
select {COLUMNS} from orders.groups g
where g.organization_id = $1 and g.archived_at is null and ($2::uuid[] is null or g.id = any($2))
order by lower(g.name), g.id
"""  # noqa: S608 - the same
# The caller holds the lock of the organization; otherwise an index would refuse the second of two changes.
NAME_IN_USE = """
select exists (
    select from orders.groups
    where organization_id = $1 and lower(name) = lower($2) and archived_at is null and id is distinct from $3
)
"""
COUNT = "select count(*) from orders.groups where organization_id = $1 and archived_at is null"
RENAME = f"""
update orders.groups g set name = $2 where g.id = $1 and g.archived_at is null returning {COLUMNS}
"""  # noqa: S608 - the same
ARCHIVE = f"""
update orders.groups g set archived_at = coalesce(g.archived_at, now()) where g.id = $1
returning {COLUMNS}
"""  # noqa: S608 - the same
# Only while the user is a member; the row's lock makes a removal wait, which then deletes this.
ADD_MEMBER = """
insert into orders.group_members (group_id, organization_id, user_id)
select $1, m.organization_id, m.user_id from orders.members m
where m.organization_id = $2 and m.user_id = $3 and m.until is null
for share of m
on conflict (group_id, user_id) do update set added_at = group_members.added_at
"""
REMOVE_MEMBER = "delete from orders.group_members where group_id = $1 and user_id = $2"


def read_row(row: Any) -> Group:
    """Build a group from a row with COLUMNS."""
    return Group(
        row["id"], row["organization_id"], row["name"], row["archived_at"], row["created_at"]
    )


async def create(connection: Connection, organization_id: UUID, name: str, actor: str) -> Group:
    """Record a new group, whose name must not be in use."""
    return read_row(await connection.fetchrow(CREATE, organization_id, name, actor))


async def find(connection: Connection, group_id: UUID) -> Group | None:
    """Return the group with this id, archived or not."""
    row = await connection.fetchrow(FIND, group_id)
    return read_row(row) if row else None


async def list_all(
    connection: Connection, organization_id: UUID, only: list[UUID] | None
) -> list[Group]:
    """Return the groups that are in use, by name; with `only`, of these alone."""
    return [read_row(row) for row in await connection.fetch(LIST, organization_id, only)]


async def count(connection: Connection, organization_id: UUID) -> int:
    """Return how many groups are in use."""
    return int(await connection.fetchval(COUNT, organization_id))


async def name_in_use(
    connection: Connection, organization_id: UUID, name: str, except_group: UUID | None = None
) -> bool:
    """Return whether another group that is in use has this name."""
    return bool(await connection.fetchval(NAME_IN_USE, organization_id, name, except_group))


async def rename(connection: Connection, group_id: UUID, name: str) -> Group | None:
    """Rename a group; None if it is archived. The name must not be in use."""
    row = await connection.fetchrow(RENAME, group_id, name)
    return read_row(row) if row else None


async def archive(connection: Connection, group_id: UUID) -> Group:
    """Archive a group, if it isn't yet."""
    return read_row(await connection.fetchrow(ARCHIVE, group_id))


LOCK = """
select from orders.members
where organization_id = $1 and user_id = any($2::uuid[]) and until is null
order by user_id for share
"""


async def lock(connection: Connection, organization_id: UUID, users: Iterable[UUID]) -> None:
    """Let removals of these members wait; all at once, in the order in which a removal locks them."""
    await connection.execute(LOCK, organization_id, list(users))


async def add_member(
    connection: Connection, group_id: UUID, organization_id: UUID, user_id: UUID
) -> bool:
    """Add a member to a group, if they aren't in it; False if the user is no member."""
    done = await connection.execute(ADD_MEMBER, group_id, organization_id, user_id)
    return bool(done == "INSERT 0 1")


async def remove_member(connection: Connection, group_id: UUID, user_id: UUID) -> None:
    """Remove a member from a group, if they are in it."""
    await connection.execute(REMOVE_MEMBER, group_id, user_id)
