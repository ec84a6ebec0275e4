"""Records what the provider charged for an order; a charge above the expected cost is an incident."""

import logging
from dataclasses import dataclass
from decimal import Decimal

from kit.values import money
from services.orders.metrics import Metrics
from services.orders.order import Order
from services.orders.provider.provider_order import ProviderOrder
from services.orders.store import Placed

logger = logging.getLogger(__name__)

# The steps in an order's history that mark the incident: the first for an order that is sold at cost, the
# second for one with a price list. Customers see only the first in their timeline.
CHARGED_ABOVE = "charged above the expected price"
COST_ABOVE = "charged above the expected cost"


@dataclass(frozen=True, slots=True)
class Charge:
    """What a step to PLACED records of a charge; `steps` come before it, and `detail` is for operators."""

    placed: Placed
    detail: str | None = None
    steps: tuple[str, ...] = ()


class Charges:
    """Compares every charge with the cost that the order expected.

    A charge may exceed the cost by the fraction `tolerance`, except if the buyer set a limit or the order is
    of a batch, there is no price list, and it is not paid here: then the limit is about the cost. A charge in
    another currency can't be compared, and is an incident too.
    """

    def __init__(self, metrics: Metrics, *, tolerance: Decimal) -> None:
        self._metrics = metrics
        self._tolerance = tolerance

    def judge(self, order: Order, placed: ProviderOrder) -> Charge:
        """Return what to record of the provider's charge; an incident is logged and counted."""
        above = self._above(order, placed)
        detail = None
        expected, currency = order.expected_cost.expected, order.expected_cost.currency
        foreign = placed.currency not in (None, currency)
        if placed.total is not None and (above is not None or foreign):
            detail = (
                f"charged {money.plain(placed.total)} {placed.currency or currency} instead of"
                f" the expected {money.plain(expected)} {currency}"
            )
        recorded = Placed(placed.reference, placed.total, placed.currency, above)
        if detail is None:
            return Charge(recorded)
        logger.error("order %s was %s", order.id, detail)
        self._metrics.charged_above()
        step = COST_ABOVE if order.fixed_price else CHARGED_ABOVE
        return Charge(recorded, detail, (step,))

    def _above(self, order: Order, placed: ProviderOrder) -> Decimal | None:
        """Return by how much the charge exceeds the allowed cost; None if it doesn't."""
        expected = order.expected_cost.expected
        if placed.total is None or placed.currency not in (None, order.expected_cost.currency):
            return None
        allowed = expected if order.capped else expected * (1 + self._tolerance)
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
