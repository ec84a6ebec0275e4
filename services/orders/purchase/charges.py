"""Records what the provider charged for an order; a charge above the expected price is an incident."""

import logging
from decimal import Decimal

from kit.db.database import Connection
from kit.values import money
from services.orders import store
from services.orders.metrics import Metrics
from services.orders.order import Order
from services.orders.provider_order import ProviderOrder

logger = logging.getLogger(__name__)

# The step of an order's history that marks the incident.
CHARGED_ABOVE = "charged above the expected price"


class Charges:
    """Compares every charge with the price that the order expected.

    If the buyer set no limit, a charge may exceed it by the fraction `tolerance`. A charge in another
    currency can't be compared, and is an incident too.
    """

    def __init__(self, metrics: Metrics, *, tolerance: Decimal) -> None:
        self._metrics = metrics
        self._tolerance = tolerance

    async def record(
        self, connection: Connection, order: Order, placed: ProviderOrder, actor: str
    ) -> None:
        """Record the provider's reference and charge; a step to PLACED follows in the same transaction."""
        above = self._above(order, placed)
        detail = None
        foreign = placed.currency not in (None, order.currency)
        if placed.total is not None and (above is not None or foreign):
            detail = (
                f"charged {money.plain(placed.total)} {placed.currency or order.currency} instead of"
                f" the expected {money.plain(order.total_price)} {order.currency}"
            )
        await store.record_reference(
            connection,
            order,
            placed.reference,
            placed.total,
            placed.currency,
            above=above,
            detail=detail,
        )
        if detail is None:
            return
        await store.record_step(connection, order, actor, CHARGED_ABOVE)
        logger.error("order %s was %s", order.id, detail)
        self._metrics.charged_above()

    def _above(self, order: Order, placed: ProviderOrder) -> Decimal | None:
        """Return by how much the charge exceeds the allowed price; None if it doesn't."""
        if placed.total is None or placed.currency not in (None, order.currency):
            return None
        expected = order.total_price
        allowed = expected if order.limited else expected * (1 + self._tolerance)
        return placed.total - expected if placed.total > allowed else None


def status_reason(order: Order) -> str:
    """Return the message for the customer about a charge above the expected price, or an empty text."""
    if order.charged_above is None:
        return ""
    expected = money.plain(order.total_price - order.charged_above)
    return (
        f"The provider charged {money.plain(order.total_price)} {order.currency} instead of"
        f" {expected} {order.currency}; our staff has been notified."
    )
