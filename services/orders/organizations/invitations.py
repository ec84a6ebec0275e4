"""Invites people to organizations by single-use links, and accepts the invitations."""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from kit.auth.sessions import Role
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from services.orders.organizations import group_store, invitation_store, member_store, store
from services.orders.organizations.callers import actor, authorize
from services.orders.organizations.groups import existing_group
from services.orders.organizations.members import owners_only
from services.orders.organizations.membership import MANAGING, MemberRole, suspended
from services.orders.organizations.organization import Change, Invitation, Organization
from services.orders.organizations.propagate import Propagation

# Bytes; 256 bits can't be guessed.
TOKEN_BYTES = 32
# Of one organization: more is a mistake of a program.
MAX_OPEN = 1_000


class Invitations:
    """Creates, revokes and accepts invitations. Only the hashes of their tokens are stored."""

    def __init__(
        self, database: Database, propagation: Propagation, valid: timedelta, url: str
    ) -> None:
        """`url` contains {token}; an empty one means that there are no links."""
        self._database = database
        self._propagation = propagation
        self._valid = valid
        self._url = url

    def link(self, token: str) -> str:
        """Return the link that contains a token; empty if the shop has configured none."""
        return self._url.replace("{token}", token)

    async def invite(
        self, organization_id: UUID, email: str, role: MemberRole, group_id: UUID | None
    ) -> tuple[Invitation, str]:
        """Create an invitation, which replaces an open one to the same address.

        Returns it and its token, which is a secret. Only owners may replace an owner's invitation.
        """
        token = secrets.token_urlsafe(TOKEN_BYTES)
        async with self._database.system() as connection:
            caller = await authorize(
                connection, organization_id, MANAGING, staff=Role.ADMIN, lock=True
            )
            owners_only(caller, role)
            if caller is not None:
                caller.require_active()
            if group_id is not None:
                await existing_group(connection, group_id, organization_id)
            # The checks come after the change, so that they see every invitation that was revoked. A refusal
            # rolls the transaction back.
            replaced = await invitation_store.revoke_of_address(connection, organization_id, email)
            owners_only(caller, *replaced)
            if await invitation_store.count_open(connection, organization_id) >= MAX_OPEN:
                raise Failure(
                    Kind.EXHAUSTED,
                    "TOO_MANY_INVITATIONS",
                    f"This organization has {MAX_OPEN} open invitations; revoke some, or wait until they"
                    " expire",
                )
            created = await invitation_store.create(
                connection,
                organization_id,
                email,
                role,
                group_id,
                hash_of(token),
                actor(),
                self._valid,
            )
        return created, token

    async def revoke(self, invitation_id: UUID) -> Invitation:
        """Revoke an invitation that was not accepted; repeating this changes nothing."""
        async with self._database.system() as connection:
            found = await invitation_store.find(connection, invitation_id)
            if found is None:
                raise _unknown()
            try:
                caller = await authorize(
                    connection, found.organization_id, MANAGING, staff=Role.ADMIN, lock=True
                )
            except Failure as failure:
                # Of another organization, so it must look like one that does not exist.
                raise (_unknown() if failure.kind is Kind.NOT_FOUND else failure) from None
            owners_only(caller, found.role)
            revoked = await invitation_store.revoke(connection, invitation_id)
        if revoked is None:
            raise _used()
        return revoked

    async def accept(self, token: str) -> tuple[Organization, MemberRole, bool]:
        """Make the caller a member.

        Returns the organization, the role, and whether every service has confirmed the membership.
        """
        caller = rpc_guard.session()
        if caller.user_id is None:
            raise Failure(
                Kind.FORBIDDEN,
                "FORBIDDEN",
                "Only a person can accept an invitation; sign in with an account",
            )
        email = caller.claims.get("email")
        async with self._database.system() as connection:
            invitation = await invitation_store.by_token(connection, hash_of(token))
            if invitation is None:
                raise _unknown()
            _check_open(invitation, self._database.now())
            if (
                caller.is_anonymous
                or not isinstance(email, str)
                or email.casefold() != invitation.email.casefold()
            ):
                raise Failure(
                    Kind.REFUSED,
                    "INVITATION_FOR_ANOTHER_ADDRESS",
                    "This invitation is for another e-mail address than that of your account; sign in with"
                    " the invited one, or ask for an invitation to yours",
                )
            organization, change = await _join(connection, invitation, caller.user_id)
        return organization, invitation.role, await self._propagation.push(change)


async def _join(
    connection: Connection, invitation: Invitation, user_id: UUID
) -> tuple[Organization, Change]:
    """Use up the invitation and add the member, also to the group unless that was archived meanwhile."""
    organization = await store.find(connection, invitation.organization_id)
    if organization is None:
        raise _unknown()
    if organization.suspended:
        raise suspended()
    if not await invitation_store.accept(connection, invitation.id, user_id):
        raise _expired()  # between the two statements
    change = await member_store.add(
        connection, organization.id, user_id, invitation.role, invitation.email, str(user_id)
    )
    if change is None:
        raise Failure(
            Kind.REFUSED,
            "ALREADY_MEMBER",
            "You are a member of this organization already; an owner or manager can change your role",
        )
    if invitation.group_id is not None:
        group = await group_store.find(connection, invitation.group_id)
        if group is not None and group.archived_at is None:
            await group_store.add_member(connection, group.id, organization.id, user_id)
    return organization, change


def hash_of(token: str) -> bytes:
    """Return the hash of a token, which is all that is stored of it."""
    return hashlib.sha256(token.encode()).digest()


def _check_open(invitation: Invitation, now: datetime) -> None:
    if invitation.accepted_at is not None:
        raise _used()
    if invitation.revoked_at is not None:
        raise Failure(
            Kind.REFUSED,
            "INVITATION_REVOKED",
            "This invitation was revoked; ask the person who invited you for another one",
        )
    if invitation.expires_at <= now:
        raise _expired()


def _unknown() -> Failure:
    return Failure(
        Kind.NOT_FOUND,
        "INVITATION_NOT_FOUND",
        "There is no such invitation; check the link, or ask for another one",
    )


def _used() -> Failure:
    return Failure(
        Kind.REFUSED,
        "INVITATION_USED",
        "This invitation was accepted already, and works only once; list your organizations",
    )


def _expired() -> Failure:
    return Failure(
        Kind.REFUSED,
        "INVITATION_EXPIRED",
        "This invitation has expired; ask the person who invited you for another one",
    )
