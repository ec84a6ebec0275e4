"""Logs the committed steps of orders, one line each."""

import logging
from uuid import UUID

from kit.db.database import after_commit
from services.orders.order import Order, OrderStatus

logger = logging.getLogger(__name__)


def step_of(order: Order, event: str, actor: str) -> None:
    """Log a step and the order's status after it, once the transaction commits.

    `actor` is purchase, cancellation, service, or a user's id. The customer's own id is not logged, as a log
    can't be erased.
    """
    by = "its customer" if actor == str(order.customer_id) else actor
    outcome(order.id, event, order.status, by=by, failure=order.failure_reason)


def outcome(order_id: UUID, event: str, status: str, *, by: str, failure: str = "") -> None:
    """Log a step, once the transaction commits."""
    reached = f"{OrderStatus(status)} ({failure})" if failure else OrderStatus(status)
    after_commit(lambda: logger.info("order %s: %s, now %s, by %s", order_id, event, reached, by))
