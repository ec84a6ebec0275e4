"""Applies the changes of memberships that the orders service reports, to the replica of this service."""

import logging
from collections.abc import Sequence
from uuid import UUID

from kit.db.database import Database
from protos.changes.v1 import changes_pb2
from services.esims.travelers import membership_store
from services.esims.travelers.membership_store import MemberRole, Membership

logger = logging.getLogger(__name__)

SOURCE = "orders"
# The type of changes of memberships, by the orders service; others are of no interest here.
MEMBERSHIP = "membership"


class MembershipReplica:
    """Memberships as the orders service knows them; a consumer of its changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cursor(self) -> str:
        """Return up to where the changes are applied; empty at first."""
        async with self._database.system() as connection:
            return await membership_store.cursor(connection, SOURCE)

    async def apply(self, changes: Sequence[changes_pb2.Change], cursor: str) -> None:
        """Apply changes and store the cursor, in one transaction."""
        found = [_membership(c) for c in changes if c.type == MEMBERSHIP and c.customer_id]
        async with self._database.system() as connection:
            if found:
                await membership_store.apply(connection, found)
            await membership_store.set_cursor(connection, SOURCE, cursor)


def _membership(change: changes_pb2.Change) -> Membership:
    return Membership(
        organization_id=UUID(change.organization_id),
        user_id=UUID(change.customer_id),
        role=_role(str(change.body["role"])),
        active=bool(change.body["active"]),
        version=change.version,
    )


def _role(name: str) -> MemberRole:
    """Return a role by its name; one that only a newer version of the orders service knows has no rights."""
    if name not in MemberRole.__members__:
        logger.error(
            "a membership has a role that is unknown here, and shows nothing: update esims"
        )
        return MemberRole.TRAVELER
    return MemberRole(name)
