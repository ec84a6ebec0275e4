"""Metric of Redis, which every process can do without."""

from prometheus_client import Counter

from kit.telemetry import metrics


def failures() -> Counter:
    """Return the counter of failed calls. After one, no calls are made for some seconds."""
    return metrics.counter("esimgo_redis_failures", "Calls to Redis that failed")
