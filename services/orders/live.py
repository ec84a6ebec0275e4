"""Change streams of orders for subscribers: an order as it is now, and again after each change."""

from collections.abc import AsyncIterator
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.db.notify import Notifications
from services.orders.listing import find
from services.orders.order import Order

# The channel that the trigger on the table notifies.
CHANNEL = "esimgo_orders"


class Live:
    """Watches orders in the database, whichever process works on them."""

    def __init__(self, database: Database, notifications: Notifications) -> None:
        self._database = database
        self._notifications = notifications

    async def watch(self, session: Session, order_id: UUID) -> AsyncIterator[Order]:
        """Yield the order now and after every change, without end.

        Raises Failure NOT_FOUND for one that the session may not see, or no longer after a change of a
        membership, and UNAVAILABLE when the database is.
        """
        user_id = str(session.user_id)
        with self._notifications.subscribe([str(order_id), user_id]) as listener:
            while True:
                yield await find.one(self._database, session, order_id)
                while await listener.changes() == [user_id]:
                    await find.one(self._database, session, order_id)
