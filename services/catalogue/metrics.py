"""Metrics of the catalogue service."""

import time

from kit.telemetry import metrics


class Metrics:
    """Metrics of syncs. Gauges are created by their first value: 0 would mean an empty or fresh catalogue."""

    def __init__(self) -> None:
        self._syncs = metrics.counter(
            "esimgo_catalogue_syncs", "Syncs of the provider's catalogue, by result", ("result",)
        )
        self._read_at = 0.0

    def read(self, plans: int) -> None:
        """Count a successful sync of this process."""
        self._syncs.labels("read").inc()
        metrics.gauge(
            "esimgo_catalogue_plans", "Plans on sale after the last sync of this process"
        ).set(plans)
        self.last_read(0)

    def skipped(self, records: int) -> None:
        """Set how many records the last sync of any replica could not use."""
        metrics.gauge(
            "esimgo_catalogue_skipped",
            "Records of the provider's catalogue that the last sync could not use",
        ).set(records)

    def failed(self) -> None:
        self._syncs.labels("failed").inc()

    def last_read(self, seconds_ago: float | None) -> None:
        """Set the age of the last success of any replica; None before the first one."""
        if seconds_ago is None:
            return
        self._read_at = time.monotonic() - seconds_ago
        metrics.gauge(
            "esimgo_catalogue_sync_age_seconds",
            "Time since the last successful sync of any replica",
        ).set_function(lambda: time.monotonic() - self._read_at)
