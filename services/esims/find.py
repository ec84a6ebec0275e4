"""Finds an eSIM through the caller's session: row security hides the eSIMs of other customers."""

from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from services.esims import store
from services.esims.esim import ESIM


async def one(database: Database, session: Session, esim_id: UUID) -> ESIM:
    """Return an eSIM that the session may see; raises Failure NOT_FOUND (ESIM_NOT_FOUND)."""
    async with database.session(session) as connection:
        esim = await store.get(connection, esim_id)
    if esim is None:
        raise Failure(Kind.NOT_FOUND, "ESIM_NOT_FOUND", "No eSIM with this id")
    return esim
