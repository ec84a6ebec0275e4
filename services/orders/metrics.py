"""Metrics of the orders service."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal

from kit.telemetry import metrics
from services.orders.order import OrderStatus

OPEN = (OrderStatus.PROCESSING, OrderStatus.NEEDS_REVIEW)


class Metrics:
    """Metrics of purchases and of open orders."""

    def __init__(self) -> None:
        self._changes = metrics.counter(
            "esimgo_orders_changes", "Orders that changed their status, by the new one", ("status",)
        )
        self._claimed = metrics.counter("esimgo_orders_claimed", "Orders that customers began")
        self._attempts = metrics.counter(
            "esimgo_orders_attempts", "Calls that may buy, by outcome", ("outcome",)
        )
        self._reconciled = metrics.counter(
            "esimgo_orders_reconciliations", "Settlements of lost answers, by result", ("result",)
        )
        self._completion = metrics.histogram(
            "esimgo_orders_completion_seconds",
            "Time from when an order could be bought to its completion",
            buckets=metrics.WORK,
        )
        self._open = metrics.gauge(
            "esimgo_orders_open", "Orders that aren't finished, by status", ("status",)
        )
        self._oldest = metrics.gauge(
            "esimgo_orders_oldest_seconds",
            "Age of the oldest order that isn't finished, by status",
            ("status",),
        )
        self._unexplained = metrics.counter(
            "esimgo_orders_unexplained", "The provider's orders that match no order here"
        )
        self._charged_above = metrics.counter(
            "esimgo_orders_charged_above",
            "Orders for which the provider charged more than expected",
        )
        self._limited = metrics.counter(
            "esimgo_orders_limited", "Purchases refused by a limit, by its name", ("limit",)
        )

        # An alert notices an increase only if the counter was exported before it.
        self._attempts.labels("UNCLEAR")
        for status in OrderStatus:
            self._changes.labels(status)

    def claimed(self) -> None:
        """Count a new order, whether or not it has to be paid first."""
        self._claimed.inc()

    def changed(self, status: OrderStatus, age: timedelta) -> None:
        """Count a new status of an order; `age` is the time since it can be bought."""
        self._changes.labels(status).inc()
        if status is OrderStatus.COMPLETED:
            self._completion.observe(age.total_seconds())

    def attempted(self, outcome: str) -> None:
        """Count an attempt by its outcome; an unclear one is counted again once it is settled."""
        self._attempts.labels(outcome).inc()

    def reconciled(self, result: str) -> None:
        """Count a reconciliation: PLACED, ABSENT, WAIT, REVIEW, or UNREADABLE without the provider's list."""
        self._reconciled.labels(result).inc()

    def unexplained(self) -> None:
        self._unexplained.inc()

    def charged_above(self) -> None:
        self._charged_above.inc()

    def limits(self, names: Iterable[str]) -> None:
        """Export the counters of the limits that are set, before the first refusal."""
        for name in names:
            self._limited.labels(name)

    def limited(self, limit: str) -> None:
        """Count a purchase that a limit of `PURCHASE_LIMITS` refused."""
        self._limited.labels(limit).inc()

    def balance(self, amount: Decimal) -> None:
        # Created by the first report: 0 would fire the alert for a low balance.
        metrics.gauge(
            "esimgo_provider_balance",
            "The shop's balance at the provider, as last reported",
        ).set(float(amount))

    def low_balance(self, threshold: float) -> None:
        metrics.gauge(
            "esimgo_provider_balance_threshold",
            "The balance below which the provider's account counts as low; 0: never",
        ).set(threshold)

    def survey(self, open_orders: Mapping[OrderStatus, tuple[int, timedelta]]) -> None:
        """Set the number and the highest age of open orders, by status."""
        for status in OPEN:
            number, age = open_orders.get(status, (0, timedelta()))
            self._open.labels(status).set(number)
            self._oldest.labels(status).set(age.total_seconds())
