"""Which callers may act on one organization: its members by role, and the staff."""

from collections.abc import Collection
from uuid import UUID

from kit.auth.sessions import SUFFICIENT, Role
from kit.db.database import Connection
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from services.orders.organizations import membership, store
from services.orders.organizations.membership import MemberRole, Membership


async def authorize(
    connection: Connection,
    organization_id: UUID,
    roles: Collection[MemberRole],
    *,
    staff: Role,
    lock: bool = False,
) -> Membership | None:
    """Return the caller's membership with one of these roles; None for the staff, from this role on.

    `connection` is the system's. With `lock`, the caller's removal waits until the transaction ends. Raises
    Failure NOT_FOUND (ORGANIZATION_NOT_FOUND), also for an organization of which the caller is no member,
    and FORBIDDEN (MEMBER_ROLE_INSUFFICIENT).
    """
    caller = rpc_guard.session()
    if caller.role in SUFFICIENT[staff]:
        if await store.find(connection, organization_id) is None:
            raise Failure(
                Kind.NOT_FOUND,
                "ORGANIZATION_NOT_FOUND",
                "There is no organization with this id; list the organizations",
            )
        return None
    if caller.user_id is None:
        raise membership.not_found()
    found = await membership.find(connection, organization_id, caller.user_id, lock=lock)
    found.require(roles)
    return found


def actor() -> str:
    """Return who makes the current call, as it is recorded."""
    return str(rpc_guard.session().user_id or "service")
