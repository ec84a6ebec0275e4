"""Finds an eSIM through the caller's session: row security hides the eSIMs of other customers."""

from uuid import UUID

from kit.auth.sessions import SUFFICIENT, Role, Session
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from services.esims import store
from services.esims.esim import ESIM
from services.esims.travelers import membership_store
from services.esims.travelers.membership_store import MANAGING, MemberRole


async def one(database: Database, session: Session, esim_id: UUID) -> ESIM:
    """Return an eSIM that the session may see; raises Failure NOT_FOUND (ESIM_NOT_FOUND)."""
    async with database.session(session) as connection:
        return await _found(connection, esim_id)


async def to_change(database: Database, session: Session, esim_id: UUID) -> ESIM:
    """Return an eSIM that the session may change.

    Raises Failure NOT_FOUND (ESIM_NOT_FOUND), and FORBIDDEN (TRAVELER_MAY_ONLY_READ) for one with which the
    session's person only travels.
    """
    async with database.session(session) as connection:
        esim = await _found(connection, esim_id)
        await _require_change(connection, session, esim)
    return esim


async def locked_to_change(connection: Connection, session: Session, esim_id: UUID) -> ESIM:
    """Return an eSIM that the session may change, whose row is locked until the transaction ends.

    `connection` is the system's. The membership is checked again, under a lock: it may have changed since
    `to_change`, and can't change until the transaction ends. Raises Failure as `to_change` does.
    """
    esim = await locked(connection, esim_id)
    await _require_change(connection, session, esim, lock=True)
    return esim


async def _require_change(
    connection: Connection, session: Session, esim: ESIM, *, lock: bool = False
) -> None:
    """Raise Failure as `to_change` does if the session may not change the eSIM."""
    if session.role in SUFFICIENT[Role.ADMIN] or session.user_id is None:
        return
    mine, role = esim.customer_id == session.user_id, None
    if esim.organization_id is None:
        may = mine
    else:
        role = await membership_store.role_of(
            connection, esim.organization_id, session.user_id, lock=lock
        )
        may = role in MANAGING or (mine and role is MemberRole.BUYER)
    if may:
        return
    if role is None or esim.traveler is None or esim.traveler.user_id != session.user_id:
        raise not_found()
    raise Failure(
        Kind.FORBIDDEN,
        "TRAVELER_MAY_ONLY_READ",
        "You travel with this eSIM, but only its buyer and the organization's managers may change it;"
        " ask one of them",
    )


async def locked(connection: Connection, esim_id: UUID) -> ESIM:
    """Return an eSIM whose row is locked until the transaction ends.

    Raises Failure NOT_FOUND (ESIM_NOT_FOUND), also for one that was a customer's who has been erased.
    """
    found = await store.lock(connection, [esim_id])
    if not found or (found[0].customer_id.int == 0 and found[0].organization_id is None):
        raise not_found()
    return found[0]


async def _found(connection: Connection, esim_id: UUID) -> ESIM:
    esim = await store.get(connection, esim_id)
    if esim is None:
        raise not_found()
    return esim


def not_found() -> Failure:
    """Return the failure for an eSIM that does not exist, or that the session may not see."""
    return Failure(
        Kind.NOT_FOUND, "ESIM_NOT_FOUND", "No eSIM of yours has this id; list your eSIMs"
    )
