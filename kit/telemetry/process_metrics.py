"""Metrics of the process itself: processor time, memory, and the lag of its event loop."""

import asyncio
import gc
import os
import resource
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kit import background
from kit.telemetry import metrics

# Seconds between measurements of the lag: often enough to find blocks of 200 ms.
MEASURE_EVERY = 0.25
# Buckets in seconds. From 200 ms on, every response is lag.
LAG = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5)
STATM = Path("/proc/self/statm")


@asynccontextmanager
async def measured() -> AsyncIterator[None]:
    """Measure within the block."""
    metrics.registry().register(ResourceCollector())
    lag = metrics.histogram(
        "esimgo_event_loop_lag_seconds",
        "Delay of a timer on the event loop",
        buckets=LAG,
    )
    measuring = background.start(_measure_lag(lag), "measure the event loop")
    try:
        yield
    finally:
        measuring.cancel()
        await asyncio.wait({measuring})


async def _measure_lag(lag: Histogram) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + MEASURE_EVERY
        await asyncio.sleep(MEASURE_EVERY)
        lag.observe(max(0.0, loop.time() - due))


class ResourceCollector(Collector):
    """Reads processor time, memory and garbage collections at each scrape."""

    def collect(self) -> Iterable[Metric]:
        processor = CounterMetricFamily(
            "process_cpu_time_seconds", "Processor time used, by mode", labels=["cpu_mode"]
        )
        used = os.times()
        processor.add_metric(["user"], used.user)
        processor.add_metric(["system"], used.system)
        yield processor
        yield GaugeMetricFamily("process_memory_usage_bytes", "Resident memory", value=_memory())
        collections = CounterMetricFamily(
            "cpython_gc_collections", "Collections of garbage", labels=["cpython_gc_generation"]
        )
        for generation, counted in enumerate(gc.get_stats()):
            collections.add_metric([str(generation)], counted["collections"])
        yield collections


def _memory() -> int:
    try:
        pages = int(STATM.read_text().split()[1])
    except OSError:  # other systems only report the peak
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()
