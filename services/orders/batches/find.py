"""Finds batches through the caller's session: row security hides those of others."""

from uuid import UUID

from kit.auth.sessions import Role, Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from services.orders.batches import read_store
from services.orders.batches.batch import Batch


async def one(database: Database, session: Session, batch_id: UUID) -> Batch:
    """Return a batch with its counts; raises Failure NOT_FOUND (BATCH_NOT_FOUND)."""
    async with database.session(session) as connection:
        found = await read_store.get(connection, batch_id)
    if found is None:
        raise not_found()
    # Row security hides rows from sessions: count them as the system, for a batch that the caller may see.
    async with database.system() as connection:
        return (await read_store.counted(connection, [found]))[0]


async def own(database: Database, session: Session, batch_id: UUID) -> Batch:
    """Return a batch that the session may act on: the support and finance staff only read others' batches.

    Raises Failure NOT_FOUND (BATCH_NOT_FOUND), and FORBIDDEN (STAFF_MAY_ONLY_READ).
    """
    batch = await one(database, session, batch_id)
    if only_reads(session, batch):
        raise Failure(
            Kind.FORBIDDEN,
            "STAFF_MAY_ONLY_READ",
            "Not allowed: support and finance staff can read another customer's batch, but not its"
            " activation codes, and can't change it; ask an administrator",
        )
    return batch


def only_reads(session: Session, batch: Batch) -> bool:
    """Return whether the session is of support or finance staff, and the batch not their own.

    They see neither its eSIMs nor its travelers. A batch of an organization is not the staff's own, because
    they can read it whether or not they are members.
    """
    if session.role not in (Role.SUPPORT, Role.FINANCE):
        return False
    return batch.organization_id is not None or batch.customer_id != session.user_id


def not_found() -> Failure:
    """Return the failure for a batch that is unknown, or another's."""
    return Failure(
        Kind.NOT_FOUND, "BATCH_NOT_FOUND", "No batch of yours has this id; list your batches"
    )
