"""Metrics of statements."""

from kit.telemetry import metrics


class StatementMetrics:
    """Counts issued statements, and those that organizations have not paid in time."""

    def __init__(self) -> None:
        self._issued = metrics.counter(
            "esimgo_statements_issued", "Monthly statements that were issued to organizations"
        )
        self._overdue = metrics.gauge(
            "esimgo_statements_overdue", "Statements whose due date is over, and that are not paid"
        )

    def issued(self) -> None:
        self._issued.inc()

    def survey(self, overdue: int) -> None:
        """Export how many statements are due."""
        self._overdue.set(overdue)
