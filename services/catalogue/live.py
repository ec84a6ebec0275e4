"""Change stream of the catalogue: its revision now, and after each change."""

from collections.abc import AsyncIterator

from kit.db.database import Database
from kit.db.notify import Notifications
from services.catalogue import store

# The channel and the payload that the trigger on the table notifies.
CHANNEL = "esimgo_catalogue"
REVISION = "revision"


class Live:
    """Watches the catalogue in the database, whichever process changes it."""

    def __init__(self, database: Database, notifications: Notifications) -> None:
        self._database = database
        self._notifications = notifications

    async def watch(self) -> AsyncIterator[int]:
        """Yield the revision now, and again whenever it may have grown, without end.

        Raises Failure UNAVAILABLE when the database is.
        """
        with self._notifications.subscribe([REVISION]) as listener:
            while True:
                async with self._database.system() as connection:
                    revision = await store.revision(connection)
                yield revision.number
                await listener.changes()
