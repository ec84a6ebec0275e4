"""What the catalogue service measures, through OpenTelemetry's API; without an SDK it costs nothing."""

import time
from collections.abc import Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation


class Metrics:
    """Instruments of the meter `esimgo.catalogue`."""

    def __init__(self) -> None:
        meter = metrics.get_meter("esimgo.catalogue")
        self._syncs = meter.create_counter(
            "esimgo.catalogue.syncs", "{reading}", "Readings of the provider's catalogue, by result"
        )
        self._plans = meter.create_gauge(
            "esimgo.catalogue.plans", "{plan}", "Plans that the last reading here found on sale"
        )
        self._skipped = meter.create_gauge(
            "esimgo.catalogue.skipped",
            "{record}",
            "Records that the last reading of the provider's catalogue could not use",
        )
        meter.create_observable_gauge(
            "esimgo.catalogue.sync.age",
            [self._age],
            "s",
            "Time since a replica last read the provider's catalogue",
        )
        self._read_at: float | None = None

    def read(self, plans: int) -> None:
        """A reading here succeeded."""
        self._syncs.add(1, {"result": "read"})
        self._plans.set(plans)
        self.last_read(0)

    def skipped(self, records: int) -> None:
        """How many records the last reading of any replica could not use."""
        self._skipped.set(records)

    def failed(self) -> None:
        self._syncs.add(1, {"result": "failed"})

    def last_read(self, seconds_ago: float | None) -> None:
        """When any replica last succeeded, as the database knows; None before the first time."""
        if seconds_ago is not None:
            self._read_at = time.monotonic() - seconds_ago

    def _age(self, _options: CallbackOptions) -> Iterable[Observation]:
        if self._read_at is not None:
            yield Observation(time.monotonic() - self._read_at)
