"""Ends all memberships of a person whose data is erased."""

from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure, Kind
from services.orders.organizations import invitation_store, member_store, person_store
from services.orders.organizations.callers import actor
from services.orders.organizations.membership import MemberRole
from services.orders.organizations.organization import Change
from services.orders.organizations.propagate import Propagation


class Departures:
    """Ends memberships as a removal does, before the rows lose the person's id."""

    def __init__(self, database: Database, propagation: Propagation) -> None:
        self._database = database
        self._propagation = propagation

    async def end_all(self, user_id: UUID) -> None:
        """End the person's memberships, and let every service confirm it. Safe to repeat.

        The esims service also erases the travelers with the person's e-mail addresses, which it can't find by
        the id, and which only memberships name. Raises Failure REFUSED (LAST_OWNER), which changes nothing,
        and UNAVAILABLE (MEMBERSHIPS_NOT_CONFIRMED).
        """
        async with self._database.system() as connection:
            found = await person_store.memberships(connection, user_id)
            needed = []
            for organization_id, name, _version, active in found:
                if not active:
                    continue
                await member_store.lock(connection, organization_id, [user_id])
                member = await member_store.find(connection, organization_id, user_id)
                if member is None:
                    continue
                if member.role is MemberRole.OWNER and not await member_store.has_other_owner(
                    connection, organization_id, user_id
                ):
                    needed.append(f"{name} ({organization_id})")
                    continue
                # As by an acceptance, invitations are locked first: a trigger changes the organization.
                await invitation_store.revoke_of_sender(connection, organization_id, str(user_id))
                await member_store.end(connection, organization_id, user_id, actor())
            if needed:
                raise Failure(
                    Kind.REFUSED,
                    "LAST_OWNER",
                    f"nothing was erased: the customer is the only owner of {', '.join(needed)}. Invite"
                    " another owner (`esimgo organizations invite`), and erase again",
                )
            ended = await person_store.memberships(connection, user_id)
            emails = await person_store.addresses(connection, user_id)
        for organization_id, _name, version, _active in ended:
            # The role does not matter for an end. `version` is at least the number of the change that ended
            # the membership.
            change = Change(organization_id, user_id, MemberRole.TRAVELER, False, version)
            if not await self._propagation.push(change):
                raise _not_confirmed()
        if emails and not await self._propagation.erase_travelers(emails):
            raise _not_confirmed()


def _not_confirmed() -> Failure:
    return Failure(
        Kind.UNAVAILABLE,
        "MEMBERSHIPS_NOT_CONFIRMED",
        "the customer's memberships have ended, but the esims service did not confirm it, so nothing was"
        " erased. Start it, and erase again",
    )
