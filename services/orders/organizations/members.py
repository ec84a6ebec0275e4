"""Changes the roles of members, and removes members."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from kit.auth import api_keys
from kit.auth.sessions import Role
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from services.orders.organizations import invitation_store, member_store
from services.orders.organizations.callers import actor, authorize
from services.orders.organizations.membership import MANAGING, MemberRole, Membership
from services.orders.organizations.organization import Member
from services.orders.organizations.propagate import Propagation


class Members:
    """Changes memberships, each in one transaction, and reports them to the services that keep a copy."""

    def __init__(self, database: Database, propagation: Propagation) -> None:
        self._database = database
        self._propagation = propagation

    async def set_role(
        self, organization_id: UUID, user_id: UUID, role: MemberRole
    ) -> tuple[Member, bool]:
        """Change a member's role; returns the member, and whether every service has confirmed it."""
        if api_keys.is_id(user_id):
            raise Failure(
                Kind.REFUSED,
                "API_KEY_ROLE_FIXED",
                "An API key is always a BUYER; revoke it and create another one with other scopes",
            )
        async with self._locked(organization_id, user_id) as connection:
            caller = await _authorize(connection, organization_id)
            member = await _existing(connection, organization_id, user_id)
            owners_only(caller, member.role, role)
            if member.role is role:
                return member, True
            await _keep_owner(connection, member)
            if member.role is MemberRole.OWNER or role not in MANAGING:
                await _revoke_invitations(connection, organization_id, user_id)
            change = await member_store.set_role(connection, organization_id, user_id, role)
            if change is None:
                raise no_member()
            member = await _existing(connection, organization_id, user_id)
        return member, await self._propagation.push(change)

    async def remove(self, organization_id: UUID, user_id: UUID) -> bool:
        """End a membership; returns whether every service has confirmed it."""
        async with self._locked(organization_id, user_id) as connection:
            leaves = rpc_guard.session().user_id == user_id
            roles = frozenset(MemberRole) if leaves else MANAGING
            caller = await _authorize(connection, organization_id, roles)
            member = await _existing(connection, organization_id, user_id)
            if not leaves:
                owners_only(caller, member.role)
            await _keep_owner(connection, member)
            await _revoke_invitations(connection, organization_id, user_id)
            change = await member_store.end(connection, organization_id, user_id, actor())
            if change is None:
                raise no_member()
        return await self._propagation.push(change)

    @asynccontextmanager
    async def _locked(self, organization_id: UUID, user_id: UUID) -> AsyncIterator[Connection]:
        """Open a transaction with the memberships of the user and of the caller locked."""
        users = {user_id, rpc_guard.session().user_id or user_id}
        async with self._database.system() as connection:
            await member_store.lock(connection, organization_id, users)
            yield connection


async def _authorize(
    connection: Connection,
    organization_id: UUID,
    roles: frozenset[MemberRole] = MANAGING,
) -> Membership | None:
    return await authorize(connection, organization_id, roles, staff=Role.ADMIN)


async def _revoke_invitations(connection: Connection, organization_id: UUID, user_id: UUID) -> None:
    """Revoke the open invitations of a member who knows their links.

    An acceptance locks its invitation before the organization, so this comes before the membership changes.
    """
    await invitation_store.revoke_of_sender(connection, organization_id, str(user_id))


async def _existing(connection: Connection, organization_id: UUID, user_id: UUID) -> Member:
    member = await member_store.find(connection, organization_id, user_id)
    if member is None:
        raise no_member()
    return member


async def _keep_owner(connection: Connection, member: Member) -> None:
    """Refuse to end the role of the last owner; the trigger on the table guards this too."""
    if member.role is MemberRole.OWNER and not await member_store.has_other_owner(
        connection, member.organization_id, member.user_id
    ):
        raise Failure(
            Kind.REFUSED,
            "LAST_OWNER",
            "An organization needs an owner, so nothing was changed; make another member an owner first",
        )


def owners_only(caller: Membership | None, *roles: MemberRole) -> None:
    """Refuse members who are no owners, if one of these roles is OWNER."""
    if caller is not None and MemberRole.OWNER in roles:
        caller.require((MemberRole.OWNER,))


def no_member() -> Failure:
    """Return the failure for a user who is no member of the organization."""
    return Failure(
        Kind.NOT_FOUND,
        "MEMBER_NOT_FOUND",
        "No member of this organization has this user id; list its members",
    )
