"""Registry of this process's Prometheus metrics, in which every name exists once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric

# Buckets for what a client waits for, in seconds: dense around the target of 200 ms.
ANSWERS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Buckets for background work, in seconds, such as a purchase or the delivery of a callback.
WORK = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)

M = TypeVar("M", Counter, Gauge, Histogram)


class Registry(CollectorRegistry):
    """Creates a metric for its first user and returns the same one to later users."""

    def __init__(self) -> None:
        super().__init__()
        self._metrics: dict[str, Any] = {}

    def metric(
        self, kind: type[M], name: str, description: str, labels: Sequence[str], **options: Any
    ) -> M:
        """Return the metric of this name, created if it doesn't exist yet."""
        found: M | None = self._metrics.get(name)
        if found is None:
            found = kind(name, description, labels, registry=self, **options)
            self._metrics[name] = found
        return found

    def collect(self) -> Iterator[Metric]:
        """Yield the families that have samples."""
        return (family for family in super().collect() if family.samples)


_registries = [Registry()]  # the last one is in use


def registry() -> Registry:
    """Return the registry of this process."""
    return _registries[-1]


@contextmanager
def separate_registry() -> Iterator[Registry]:
    """Use another registry within the block, for tests."""
    _registries.append(Registry())
    try:
        yield _registries[-1]
    finally:
        _registries.pop()


def counter(name: str, description: str, labels: Sequence[str] = ()) -> Counter:
    """Return a counter, exported with the suffix `_total`."""
    return registry().metric(Counter, name, description, labels)


def gauge(name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
    """Return a gauge. One without labels is exported as 0 until it is set."""
    return registry().metric(Gauge, name, description, labels)


def histogram(
    name: str, description: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
) -> Histogram:
    """Return a histogram with these upper bounds."""
    return registry().metric(Histogram, name, description, labels, buckets=buckets)
