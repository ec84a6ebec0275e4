"""Metrics of batches."""

from kit.telemetry import metrics
from services.orders.batches.batch import FINISHED, BatchStatus


class BatchMetrics:
    """Metrics of batches and of their orders."""

    def __init__(self) -> None:
        self._open = metrics.gauge("esimgo_batches_open", "Batches that aren't finished")
        self._waiting = metrics.gauge(
            "esimgo_batches_waiting_for_balance",
            "Batches that wait for a wallet, a credit or the balance at the provider",
        )
        self._oldest = metrics.gauge(
            "esimgo_batches_waiting_seconds", "Time for which the first of these batches has waited"
        )
        self._orders = metrics.counter(
            "esimgo_batches_orders",
            "Planned orders of batches by what became of them: claimed, refused or postponed",
            ("result",),
        )
        self._finished = metrics.counter(
            "esimgo_batches_finished", "Finished batches, by their status", ("status",)
        )
        # They exist, as 0, before the first batch.
        for result in ("claimed", "refused", "postponed"):
            self._orders.labels(result)
        for status in FINISHED:
            self._finished.labels(status)

    def survey(self, unfinished: int, waiting: int, oldest: float) -> None:
        """Set the gauges."""
        self._open.set(unfinished)
        self._waiting.set(waiting)
        self._oldest.set(oldest)

    def order(self, result: str) -> None:
        self._orders.labels(result).inc()

    def finished(self, status: BatchStatus) -> None:
        self._finished.labels(status).inc()
