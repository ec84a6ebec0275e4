"""Metrics of the orders service."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal

from kit.telemetry import metrics
from services.orders.order import OrderStatus

OPEN = (OrderStatus.PROCESSING, OrderStatus.NEEDS_REVIEW)


class Metrics:
    """Counts purchases and shows the orders that aren't finished."""

    def __init__(self) -> None:
        self._changes = metrics.counter(
            "esimgo_orders_changes",
            "Orders that changed their status, by the new one",
            ("status",),
        )
        self._attempts = metrics.counter(
            "esimgo_orders_attempts", "Calls that may buy, by outcome", ("outcome",)
        )
        self._reconciled = metrics.counter(
            "esimgo_orders_reconciliations", "Looks for a lost purchase, by result", ("result",)
        )
        self._completion = metrics.histogram(
            "esimgo_orders_completion_seconds",
            "Time from the claim to the completed order",
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
            "esimgo_orders_unexplained", "Orders of the provider that none here explains"
        )
        self._charged_above = metrics.counter(
            "esimgo_orders_charged_above",
            "Orders that the provider charged more for than was expected",
        )
        self._limited = metrics.counter(
            "esimgo_orders_limited", "Purchases refused by a limit, by its name", ("limit",)
        )

        # An alert sees a counter rise only from a value that was there before.
        self._attempts.labels("UNCLEAR")
        for status in OrderStatus:
            self._changes.labels(status)

    def changed(self, status: OrderStatus, age: timedelta) -> None:
        """An order got a status, so long after it was claimed."""
        self._changes.labels(status).inc()
        if status is OrderStatus.COMPLETED:
            self._completion.observe(age.total_seconds())

    def attempted(self, outcome: str) -> None:
        """As `order_attempts.outcome`; UNCLEAR and what became of it are both counted."""
        self._attempts.labels(outcome).inc()

    def reconciled(self, result: str) -> None:
        """PLACED, ABSENT, WAIT, REVIEW, or UNREADABLE when the provider's list was not to be had."""
        self._reconciled.labels(result).inc()

    def unexplained(self) -> None:
        self._unexplained.inc()

    def charged_above(self) -> None:
        self._charged_above.inc()

    def limits(self, names: Iterable[str]) -> None:
        """The limits that are set: an alert sees a counter rise only from a value before."""
        for name in names:
            self._limited.labels(name)

    def limited(self, limit: str) -> None:
        """A purchase was refused by a limit, which `PURCHASE_LIMITS` names."""
        self._limited.labels(limit).inc()

    def balance(self, amount: Decimal) -> None:
        """As last reported by the provider, in the organisation's currency."""
        # Created by the first report: 0 would fire the alert for a low balance. It is a float for
        # people to read; nothing is computed from it.
        metrics.gauge(
            "esimgo_provider_balance",
            "The organisation's balance at the provider, as last reported",
        ).set(float(amount))

    def low_balance(self, threshold: float) -> None:
        """The balance below which an alert is due."""
        metrics.gauge(
            "esimgo_provider_balance_threshold",
            "The balance below which the provider's account counts as low; 0: never",
        ).set(threshold)

    def survey(self, open_orders: Mapping[OrderStatus, tuple[int, timedelta]]) -> None:
        """How many aren't finished and how old the oldest is; a status without any has none."""
        for status in OPEN:
            number, age = open_orders.get(status, (0, timedelta()))
            self._open.labels(status).set(number)
            self._oldest.labels(status).set(age.total_seconds())
