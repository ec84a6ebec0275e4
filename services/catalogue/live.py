"""What callers who keep listening hear: the number of what is on offer, and the next one after a change."""

from collections.abc import AsyncIterator

from kit.db.database import Database
from kit.db.notify import Notifications
from services.catalogue import store

# What the trigger on the table notifies on, and of what.
CHANNEL = "esimgo_catalogue"
REVISION = "revision"


class Live:
    """Follows the catalogue in the database, whichever process changes it."""

    def __init__(self, database: Database, notifications: Notifications) -> None:
        self._database = database
        self._notifications = notifications

    async def watch(self) -> AsyncIterator[int]:
        """The revision now, and whenever it may have grown, with no end.

        Raises Failure UNAVAILABLE when the database is away.
        """
        with self._notifications.subscribe([REVISION]) as listener:
            while True:
                async with self._database.system() as connection:
                    revision = await store.revision(connection)
                yield revision
                await listener.changes()
