"""Metrics of exchange rates."""

from collections.abc import Sequence

from kit.telemetry import metrics
from services.catalogue.prices.rates import Listed


class RateMetrics:
    """Metrics of the rates that prices depend on, and of the files that were fetched."""

    def __init__(self) -> None:
        self._fetches = metrics.counter(
            "esimgo_exchange_rates_fetches",
            "Requests for the file of exchange rates, by result",
            ("result",),
        )

    def fetched(self, skipped: int) -> None:
        """Count a file that was read, of which `skipped` rows could not be used."""
        self._fetches.labels("read").inc()
        metrics.gauge(
            "esimgo_exchange_rates_skipped",
            "Rows of the last file of exchange rates that could not be used",
        ).set(skipped)

    def failed(self) -> None:
        self._fetches.labels("failed").inc()

    def listed(self, rates: Sequence[Listed]) -> None:
        """Set how many of the needed rates are held, and how many are stale."""
        needed = [rate for rate in rates if rate.needed]
        metrics.gauge(
            "esimgo_exchange_rates_held",
            "Exchange rates that prices depend on and that are not used until an operator confirms them",
        ).set(sum(rate.held for rate in needed))
        metrics.gauge(
            "esimgo_exchange_rates_stale",
            "Exchange rates that prices depend on and that are missing or over four days old",
        ).set(sum(rate.stale and not rate.held for rate in needed))
