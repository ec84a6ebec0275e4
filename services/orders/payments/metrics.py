"""Metrics of payments."""

from collections.abc import Iterable
from datetime import timedelta

from kit.telemetry import metrics
from services.orders.payment import PaymentMethod, PaymentState, RefundState

OPEN = (PaymentState.AWAITING, PaymentState.AUTHORIZED, PaymentState.PAID)


class PaymentMetrics:
    """Metrics of open payments, and of what needs a person."""

    def __init__(self) -> None:
        self._changes = metrics.counter(
            "esimgo_payments_changes",
            "Payments that changed their state, by the new one and the method",
            ("state", "method"),
        )
        self._open = metrics.gauge(
            "esimgo_payments_open", "Payments that aren't finished, by state", ("state",)
        )
        self._oldest = metrics.gauge(
            "esimgo_payments_oldest_seconds",
            "Age of the oldest payment that isn't finished, by state",
            ("state",),
        )
        self._held = metrics.gauge(
            "esimgo_payments_held", "Paid orders that wait for a person before they are bought"
        )
        self._in_review = metrics.gauge(
            "esimgo_payments_unclear",
            "Orders in review whose payment is held or taken, or was released",
        )
        self._mismatched = metrics.counter(
            "esimgo_payments_mismatched", "Payments that did not match their order"
        )
        self._unclear = metrics.counter(
            "esimgo_payments_unknown_outcomes",
            "Calls to the payment provider whose outcome had to be looked up",
        )
        for state in PaymentState:
            for method in PaymentMethod:
                self._changes.labels(state, method)

    def changed(self, state: PaymentState, method: PaymentMethod) -> None:
        """Count a new state of a payment."""
        self._changes.labels(state, method).inc()

    def mismatched(self) -> None:
        self._mismatched.inc()

    def unclear(self) -> None:
        self._unclear.inc()

    def survey(
        self,
        open_payments: Iterable[tuple[PaymentState, int, timedelta]],
        *,
        held: int,
        in_review: int,
    ) -> None:
        """Set the numbers and the highest ages of payments that aren't finished."""
        found = {state: (number, age) for state, number, age in open_payments}
        for state in OPEN:
            number, age = found.get(state, (0, timedelta()))
            self._open.labels(state).set(number)
            self._oldest.labels(state).set(age.total_seconds())
        self._held.set(held)
        self._in_review.set(in_review)


class RefundMetrics:
    """Metrics of refunds."""

    def __init__(self) -> None:
        self._changes = metrics.counter(
            "esimgo_refunds_changes", "Refunds that changed their state, by the new one", ("state",)
        )
        self._open = metrics.gauge("esimgo_refunds_open", "Refunds that are not settled")
        self._oldest = metrics.gauge(
            "esimgo_refunds_oldest_seconds",
            "Age of the oldest refund that the payment provider has not accepted",
        )
        self._unclear = metrics.counter(
            "esimgo_refunds_unknown_outcomes", "Refunds whose outcome had to be looked up"
        )
        for state in RefundState:
            self._changes.labels(state)

    def changed(self, state: RefundState) -> None:
        """Count a new state of a refund."""
        self._changes.labels(state).inc()

    def unclear(self) -> None:
        self._unclear.inc()

    def survey(self, number: int, oldest: float) -> None:
        """Set how many refunds are open, and the age of the oldest in seconds."""
        self._open.set(number)
        self._oldest.set(oldest)
