"""Gives an eSIM to a traveler, and takes it back."""

from dataclasses import replace
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Connection, Database
from kit.errors import invalid
from services.esims import find
from services.esims.esim import ESIM, Traveler
from services.esims.travelers import membership_store, share_link_store, traveler_store
from services.esims.travelers.traveler_store import Owner


async def assign(database: Database, session: Session, esim_id: UUID, traveler: Traveler) -> ESIM:
    """Make a person the traveler of an eSIM, and return it; repeatable. Links of another one are revoked.

    Raises Failure as `find.to_change` does, and INVALID for an account that is no member of the eSIM's
    organization.
    """
    await find.to_change(database, session, esim_id)
    async with database.system() as connection:
        esim = await find.locked_to_change(connection, session, esim_id)
        await _check_account(connection, esim, traveler)
        owner = Owner(esim.organization_id, esim.customer_id)
        [traveler_id] = await traveler_store.find_or_add(connection, owner, [traveler])
        if esim.traveler is not None and esim.traveler.id == traveler_id:
            return esim
        await _set(connection, esim_id, replace(traveler, id=traveler_id))
        return await find.locked(connection, esim_id)


async def unassign(database: Database, session: Session, esim_id: UUID) -> ESIM:
    """Take an eSIM from its traveler, revoke its links, and return it; repeatable.

    Raises Failure as `find.to_change` does.
    """
    await find.to_change(database, session, esim_id)
    async with database.system() as connection:
        esim = await find.locked_to_change(connection, session, esim_id)
        if esim.traveler is None:
            return esim
        await _set(connection, esim_id, None)
        return await find.locked(connection, esim_id)


async def _set(connection: Connection, esim_id: UUID, traveler: Traveler | None) -> None:
    await traveler_store.set_traveler(connection, esim_id, traveler)
    # Otherwise the earlier traveler could still open the eSIM.
    await share_link_store.revoke_of_esims(connection, [esim_id])


async def _check_account(connection: Connection, esim: ESIM, traveler: Traveler) -> None:
    if traveler.user_id is None:
        return
    if esim.organization_id is None:
        raise invalid(
            {
                "traveler.user_id": "is only for eSIMs of an organization; omit it and create a share link"
                " instead"
            }
        )
    if (await membership_store.role_of(connection, esim.organization_id, traveler.user_id)) is None:
        raise invalid(
            {
                "traveler.user_id": "is not a member of the eSIM's organization; invite the person first, or"
                " omit it and create a share link"
            }
        )
