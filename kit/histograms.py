"""Histograms of time that take a microsecond to record, behind OpenTelemetry's API, for Prometheus to read.

The SDK's own take eight: they check and sort the attributes of every single measurement, and an
answer of the gateway takes four of those.
"""

import json
import math
import re
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackT, _Gauge
from opentelemetry.util.types import Attributes
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

# Sets of attributes of one histogram; the SDK's limit, and what it calls the rest.
MOST_SERIES = 2_000
OVERFLOW = (("otel.metric.overflow", True),)
# Of the SDK's exporter: what else stands in a name is a dot.
UNFIT = re.compile("[^a-zA-Z0-9]+")

Pairs = tuple[tuple[str, Any], ...]


class Series:
    """What was measured with the same attributes: how often in each bucket, and the sum."""

    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.total = 0.0


class Histogram(metrics.Histogram):
    """Counts what is measured, by attributes that are text, numbers or booleans."""

    def __init__(self, name: str, description: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._description = description
        self._bounds = tuple(bounds)
        self._series: dict[frozenset[tuple[str, Any]], Series] = {}
        self._found: dict[Pairs, Series] = {}  # the same, by attributes in the order they came in
        self._lock = threading.Lock()  # some measure in threads

    def record(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Nothing is told of the context: Prometheus's text has no place for exemplars."""
        if not 0 <= amount < math.inf:
            return
        pairs = tuple(attributes.items()) if attributes else ()
        with self._lock:
            series = self._found.get(pairs) or self._begun(pairs)
            series.counts[bisect_left(self._bounds, amount)] += 1
            series.total += amount

    def _begun(self, pairs: Pairs) -> Series:
        if len(self._found) >= MOST_SERIES:
            pairs = OVERFLOW
        series = self._series.setdefault(frozenset(pairs), Series(len(self._bounds) + 1))
        return self._found.setdefault(pairs, series)

    def family(self) -> HistogramMetricFamily | None:
        """As Prometheus reads it; None before anything was measured."""
        with self._lock:
            now = [(dict(key), list(s.counts), s.total) for key, s in self._series.items()]
        if not now:
            return None
        labels = sorted({name for attributes, _, _ in now for name in attributes})
        family = HistogramMetricFamily(
            UNFIT.sub("_", self._name),
            self._description,
            labels=[UNFIT.sub("_", label) for label in labels],
            unit="seconds",
        )
        ends = [*map(str, self._bounds), "+Inf"]
        for attributes, counts, total in now:
            values = [_text(attributes.get(label, "")) for label in labels]
            buckets = list(zip(ends, accumulate(counts), strict=True))
            family.add_metric(values, buckets, total)
        return family


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Histograms(Collector):
    """Those of a process by their names, as the registry collects them."""

    def __init__(self) -> None:
        self._made: dict[str, Histogram] = {}

    def get(self, name: str, description: str, bounds: Sequence[float]) -> Histogram:
        """The histogram of that name, made when it is first asked for."""
        if name not in self._made:
            self._made[name] = Histogram(name, description, bounds)
        return self._made[name]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        for histogram in list(self._made.values()):
            family = histogram.family()
            if family is not None:
                yield family


class Meters(metrics.MeterProvider):
    """Another provider's meters, but for histograms of seconds, which go to the registry directly."""

    def __init__(self, others: metrics.MeterProvider, registry: CollectorRegistry) -> None:
        self._others = others
        self._histograms = Histograms()
        registry.register(self._histograms)

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> metrics.Meter:
        others = self._others.get_meter(name, version, schema_url, attributes)
        return Meter(name, others, self._histograms)


class Meter(metrics.Meter):
    """One of them."""

    def __init__(self, name: str, others: metrics.Meter, histograms: Histograms) -> None:
        super().__init__(name)
        self._others = others
        self._histograms = histograms

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> metrics.Histogram:
        bounds = explicit_bucket_boundaries_advisory
        if unit == "s" and bounds is not None:
            return self._histograms.get(name, description, bounds)
        return self._others.create_histogram(
            name, unit, description, explicit_bucket_boundaries_advisory=bounds
        )

    def create_counter(self, name: str, unit: str = "", description: str = "") -> metrics.Counter:
        return self._others.create_counter(name, unit, description)

    def create_up_down_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> metrics.UpDownCounter:
        return self._others.create_up_down_counter(name, unit, description)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> _Gauge:
        return self._others.create_gauge(name, unit, description)

    def create_observable_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> metrics.ObservableCounter:
        return self._others.create_observable_counter(name, callbacks, unit, description)

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> metrics.ObservableGauge:
        return self._others.create_observable_gauge(name, callbacks, unit, description)

    def create_observable_up_down_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> metrics.ObservableUpDownCounter:
        return self._others.create_observable_up_down_counter(name, callbacks, unit, description)
