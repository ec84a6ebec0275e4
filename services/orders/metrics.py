"""What the orders service measures, through OpenTelemetry's API; without an SDK it costs nothing."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal

from opentelemetry import metrics

from kit.buckets import WORK
from services.orders.order import OrderStatus

OPEN = (OrderStatus.PROCESSING, OrderStatus.NEEDS_REVIEW)


class Metrics:
    """Instruments of the meter `esimgo.orders`."""

    def __init__(self) -> None:
        meter = metrics.get_meter("esimgo.orders")
        self._changes = meter.create_counter(
            "esimgo.orders.changes", "{order}", "Orders that changed their status, by the new one"
        )
        self._attempts = meter.create_counter(
            "esimgo.orders.attempts", "{attempt}", "Calls that may buy, by outcome"
        )
        self._reconciled = meter.create_counter(
            "esimgo.orders.reconciliations", "{look}", "Looks for a lost purchase, by result"
        )
        self._completion = meter.create_histogram(
            "esimgo.orders.completion",
            "s",
            "Time from the claim to the completed order",
            explicit_bucket_boundaries_advisory=WORK,
        )
        self._open = meter.create_gauge(
            "esimgo.orders.open", "{order}", "Orders that aren't finished, by status"
        )
        self._oldest = meter.create_gauge(
            "esimgo.orders.oldest", "s", "Age of the oldest order that isn't finished, by status"
        )
        self._unexplained = meter.create_counter(
            "esimgo.orders.unexplained", "{order}", "Orders of the provider that none here explains"
        )
        self._charged_above = meter.create_counter(
            "esimgo.orders.charged_above",
            "{order}",
            "Orders that the provider charged more for than was expected",
        )
        self._limited = meter.create_counter(
            "esimgo.orders.limited", "{purchase}", "Purchases refused by a limit, by its name"
        )
        self._balance = meter.create_gauge(
            "esimgo.provider.balance",
            "{currency}",
            "The organisation's balance at the provider, as last reported",
        )
        self._low_balance = meter.create_gauge(
            "esimgo.provider.balance_threshold",
            "{currency}",
            "The balance below which the provider's account counts as low; 0: never",
        )

        # An alert sees a counter rise only from a value that was there before.
        self._unexplained.add(0)
        self._charged_above.add(0)
        self._attempts.add(0, {"outcome": "UNCLEAR"})
        for status in OrderStatus:
            self._changes.add(0, {"status": status})

    def changed(self, status: OrderStatus, age: timedelta) -> None:
        """An order got a status, so long after it was claimed."""
        self._changes.add(1, {"status": status})
        if status is OrderStatus.COMPLETED:
            self._completion.record(age.total_seconds())

    def attempted(self, outcome: str) -> None:
        """As `order_attempts.outcome`; UNCLEAR and what became of it are both counted."""
        self._attempts.add(1, {"outcome": outcome})

    def reconciled(self, result: str) -> None:
        """PLACED, ABSENT, WAIT, REVIEW, or UNREADABLE when the provider's list was not to be had."""
        self._reconciled.add(1, {"result": result})

    def unexplained(self) -> None:
        self._unexplained.add(1)

    def charged_above(self) -> None:
        self._charged_above.add(1)

    def limits(self, names: Iterable[str]) -> None:
        """The limits that are set: an alert sees a counter rise only from a value before."""
        for name in names:
            self._limited.add(0, {"limit": name})

    def limited(self, limit: str) -> None:
        """A purchase was refused by a limit, which `PURCHASE_LIMITS` names."""
        self._limited.add(1, {"limit": limit})

    def balance(self, amount: Decimal) -> None:
        """As last reported by the provider, in the organisation's currency."""
        self._balance.set(float(amount))  # a gauge for people: nothing is computed from it

    def low_balance(self, threshold: float) -> None:
        """The balance below which an alert is due."""
        self._low_balance.set(threshold)

    def survey(self, open_orders: Mapping[OrderStatus, tuple[int, timedelta]]) -> None:
        """How many aren't finished and how old the oldest is; a status without any has none."""
        for status in OPEN:
            number, age = open_orders.get(status, (0, timedelta()))
            self._open.set(number, {"status": status})
            self._oldest.set(age.total_seconds(), {"status": status})
