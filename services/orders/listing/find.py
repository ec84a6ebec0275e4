"""Finds orders through the caller's session: row security hides the orders of other customers."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from kit.auth.sessions import STAFF, SUFFICIENT, Role, Session
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
    return (await with_costs(database, session, found))[0]


async def own(database: Database, session: Session, order_id: UUID) -> Order:
    """Return an order that the session may act on: the support and finance staff only read others' orders.

    Raises Failure NOT_FOUND (ORDER_NOT_FOUND), and FORBIDDEN (STAFF_MAY_ONLY_READ).
    """
    order = await one(database, session, order_id)
    if not is_own(order, session):
        raise Failure(
            Kind.FORBIDDEN,
            "STAFF_MAY_ONLY_READ",
            "Support and finance staff can read another customer's order, but not its activation"
            " codes, and can't change it; ask an administrator",
        )
    return order


def is_own(order: Order, session: Session) -> bool:
    """Return if the session may act on an order that it can read.

    Members can read only those orders of an organization that they may act on.
    """
    if is_admin(session):
        return True
    if order.organization_id is not None:
        return session.role not in STAFF
    return order.customer_id == session.user_id


def is_admin(session: Session) -> bool:
    """Return if the session is an administrator's or a service's."""
    return session.role in SUFFICIENT[Role.ADMIN]


async def with_costs(database: Database, session: Session, orders: Sequence[Order]) -> list[Order]:
    """Return orders that the session has read, with their costs if its role may see them.

    No session can read costs from the database, so that no mistake here shows them to a customer.
    """
    if not _sees_costs(session) or not orders:
        return list(orders)
    async with database.system() as connection:
        costs = await store.costs(connection, [order.id for order in orders])
    return [replace(order, cost=costs.get(order.id)) for order in orders]


def without_cost(order: Order, session: Session) -> Order:
    """Return an order that the system has read, without its cost unless the session may see it."""
    return order if _sees_costs(session) else replace(order, cost=None)


def _sees_costs(session: Session) -> bool:
    return session.role in SUFFICIENT[Role.FINANCE]
