"""SQL of invitations; nothing here commits."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.organizations.membership import MemberRole
from services.orders.organizations.organization import Invitation

COLUMNS = """i.id, i.organization_id, i.email, i.role, i.group_id, i.invited_by, i.created_at, i.expires_at,
    i.accepted_at, i.revoked_at"""
OPEN = "i.accepted_at is null and i.revoked_at is null and i.expires_at > now()"
CREATE = f"""
insert into orders.invitations as i
    (organization_id, email, role, group_id, token_hash, invited_by, expires_at)
values ($1, $2, $3, $4, $5, $6, now() + $7)
returning {COLUMNS}
"""  # noqa: S608 - only constants of this file go in
FIND = f"select {COLUMNS} from orders.invitations i where i.id = $1"  # noqa: S608 - the same
BY_TOKEN = f"""
select {COLUMNS} from orders.invitations i where i.token_hash = $1 for update
"""  # noqa: S608 - the same
PAGE = f"""
select {COLUMNS} from orders.invitations i
where i.organization_id = $1 and (not $2 or {OPEN})
    and ($3::timestamptz is null or (i.created_at, i.id) < ($3, $4::uuid))
order by i.created_at desc, i.id desc limit $5
"""  # noqa: S608 - the same
COUNT_OPEN = f"""
select count(*) from orders.invitations i where i.organization_id = $1 and {OPEN}
"""  # noqa: S608 - the same
ACCEPT = f"""
update orders.invitations i set accepted_at = now(), accepted_by = $2 where i.id = $1 and {OPEN}
"""  # noqa: S608 - the same
REVOKE = f"""
update orders.invitations i set revoked_at = coalesce(i.revoked_at, now())
where i.id = $1 and i.accepted_at is null
returning {COLUMNS}
"""  # noqa: S608 - the same
REVOKE_OF_ADDRESS = """
update orders.invitations set revoked_at = now()
where organization_id = $1 and lower(email) = lower($2) and accepted_at is null and revoked_at is null
returning role, expires_at > now() as open
"""
REVOKE_OF_SENDER = """
update orders.invitations set revoked_at = now()
where organization_id = $1 and invited_by = $2 and accepted_at is null and revoked_at is null
"""


def read_row(row: Any) -> Invitation:
    """Build an invitation from a row with COLUMNS."""
    return Invitation(
        id=row["id"],
        organization_id=row["organization_id"],
        email=row["email"],
        role=MemberRole(row["role"]),
        group_id=row["group_id"],
        invited_by=row["invited_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        accepted_at=row["accepted_at"],
        revoked_at=row["revoked_at"],
    )


async def create(
    connection: Connection,
    organization_id: UUID,
    email: str,
    role: MemberRole,
    group_id: UUID | None,
    token_hash: bytes,
    actor: str,
    valid: timedelta,
) -> Invitation:
    """Record a new invitation."""
    row = await connection.fetchrow(
        CREATE, organization_id, email, role, group_id, token_hash, actor, valid
    )
    return read_row(row)


async def count_open(connection: Connection, organization_id: UUID) -> int:
    """Return how many invitations can still be accepted."""
    return int(await connection.fetchval(COUNT_OPEN, organization_id))


async def find(connection: Connection, invitation_id: UUID) -> Invitation | None:
    """Return the invitation with this id, in any state."""
    row = await connection.fetchrow(FIND, invitation_id)
    return read_row(row) if row else None


async def by_token(connection: Connection, token_hash: bytes) -> Invitation | None:
    """Return the invitation with this token, in any state, and lock it."""
    row = await connection.fetchrow(BY_TOKEN, token_hash)
    return read_row(row) if row else None


async def list_page(
    connection: Connection,
    organization_id: UUID,
    after: tuple[datetime, UUID] | None,
    limit: int,
    *,
    open_only: bool,
) -> list[Invitation]:
    """Return at most `limit` invitations, newest first, that come after a position."""
    created_at, invitation_id = after or (None, None)
    rows = await connection.fetch(
        PAGE, organization_id, open_only, created_at, invitation_id, limit
    )
    return [read_row(row) for row in rows]


async def accept(connection: Connection, invitation_id: UUID, user_id: UUID) -> bool:
    """Use up an open invitation; False if it is not open."""
    return bool(await connection.execute(ACCEPT, invitation_id, user_id) == "UPDATE 1")


async def revoke(connection: Connection, invitation_id: UUID) -> Invitation | None:
    """Revoke an invitation, if it isn't yet; None if it was accepted or does not exist."""
    row = await connection.fetchrow(REVOKE, invitation_id)
    return read_row(row) if row else None


async def revoke_of_address(
    connection: Connection, organization_id: UUID, email: str
) -> set[MemberRole]:
    """Revoke the invitations to an address; returns the roles of those that could still be accepted."""
    rows = await connection.fetch(REVOKE_OF_ADDRESS, organization_id, email)
    return {MemberRole(row["role"]) for row in rows if row["open"]}


async def revoke_of_sender(connection: Connection, organization_id: UUID, sender: str) -> None:
    """Revoke the open invitations that a member sent."""
    await connection.execute(REVOKE_OF_SENDER, organization_id, sender)
