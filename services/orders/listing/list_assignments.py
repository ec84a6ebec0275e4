"""Lists the eSIMs that an order delivered."""

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from services.orders import delivery_store
from services.orders.datasource import OrdersDataSource
from services.orders.order import DeliveredESIM, Order, OrderStatus, is_complete


async def list_assignments(
    database: Database, datasource: OrdersDataSource, session: Session, order: Order
) -> list[DeliveredESIM]:
    """Return the recorded eSIMs of an order, or those that the provider reports until they are recorded.

    Raises Failure REFUSED (ORDER_NOT_DELIVERED) while there are none.
    """
    async with database.session(session) as connection:
        esims = await delivery_store.of_order(connection, order.id)
    if not esims and order.provider_reference and order.status is OrderStatus.PROCESSING:
        try:
            found = await datasource.get_cached_order_assignments(order.provider_reference)
        except Failure as failure:
            if failure.reason != "PROVIDER_PROCESSING":
                raise
        else:
            # Some of too many may be another customer's.
            esims = found if is_complete(order, found) else []
    if not esims:
        raise Failure(
            Kind.REFUSED,
            "ORDER_NOT_DELIVERED",
            "This order has no eSIMs yet; check its status first",
        )
    return esims
