"""Change streams of batches for subscribers: a batch as it is now, and again after each change."""

from collections.abc import AsyncIterator
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.db.notify import Notifications
from services.orders.batches import find
from services.orders.batches.batch import Batch


class LiveBatches:
    """Watches batches in the database, whichever process works on them."""

    def __init__(self, database: Database, notifications: Notifications) -> None:
        self._database = database
        self._notifications = notifications

    async def watch(self, session: Session, batch_id: UUID) -> AsyncIterator[Batch]:
        """Yield the batch now and after every change, until it is finished.

        Raises Failure NOT_FOUND for one that the session may not see, or no longer after a change of a
        membership, and UNAVAILABLE when the database is.
        """
        with self._notifications.subscribe([str(batch_id), str(session.user_id)]) as listener:
            while True:
                batch = await find.one(self._database, session, batch_id)
                yield batch
                if batch.finished:
                    return
                await listener.changes()
