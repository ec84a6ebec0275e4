"""Finds an order through the caller's session: row security hides the orders of other customers."""

from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from services.orders import store
from services.orders.order import Order


async def one(database: Database, session: Session, order_id: UUID) -> Order:
    """Return an order that the session may see; raises Failure NOT_FOUND (ORDER_NOT_FOUND)."""
    async with database.session(session) as connection:
        found = await store.get(connection, [order_id])
    if not found:
        raise Failure(
            Kind.NOT_FOUND, "ORDER_NOT_FOUND", "No order of yours has this id; list your orders"
        )
    return found[0]
