"""Records what the provider charged for an order; a charge above the expected cost is an incident."""

import logging
from decimal import Decimal

from kit.db.database import Connection
from kit.values import money
from services.orders import store
from services.orders.metrics import Metrics
from services.orders.order import Order
from services.orders.provider_order import ProviderOrder

logger = logging.getLogger(__name__)

# The steps in an order's history that mark the incident: the first for an order that is sold at cost, the
# second for one with a price list. Customers see only the first in their timeline.
CHARGED_ABOVE = "charged above the expected price"
COST_ABOVE = "charged above the expected cost"


class Charges:
    """Compares every charge with the cost that the order expected.

    A charge may exceed the cost by the fraction `tolerance`, except if the buyer set a limit and there is no
    price list: then the limit is about the cost. A charge in another currency can't be compared, and is an
    incident too.
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
        expected, currency = order.expected_cost.expected, order.expected_cost.currency
        foreign = placed.currency not in (None, currency)
        if placed.total is not None and (above is not None or foreign):
            detail = (
                f"charged {money.plain(placed.total)} {placed.currency or currency} instead of"
                f" the expected {money.plain(expected)} {currency}"
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
        step = COST_ABOVE if order.fixed_price else CHARGED_ABOVE
        await store.record_step(connection, order, actor, step)
        logger.error("order %s was %s", order.id, detail)
        self._metrics.charged_above()

    def _above(self, order: Order, placed: ProviderOrder) -> Decimal | None:
        """Return by how much the charge exceeds the allowed cost; None if it doesn't."""
        expected = order.expected_cost.expected
        if placed.total is None or placed.currency not in (None, order.expected_cost.currency):
            return None
        exactly = order.limited and not order.fixed_price
        allowed = expected if exactly else expected * (1 + self._tolerance)
        return placed.total - expected if placed.total > allowed else None


def status_reason(order: Order) -> str:
    """Return the message for the customer about a charge above the expected price, or an empty text.

    Customers learn nothing about the cost of an order with a price list.
    """
    if order.charged_above is None or order.fixed_price:
        return ""
    charged = order.total_price + order.discount
    expected = money.plain(charged - order.charged_above)
    return (
        f"The provider charged {money.plain(charged)} {order.currency} instead of"
        f" {expected} {order.currency}; our staff has been notified."
    )
