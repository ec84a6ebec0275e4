"""What the process itself uses: processor, memory, and how late its event loop is."""

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

# Seconds between looks at the loop: four a second find a block of the target's 200 ms, and cost nothing.
LOOK_EVERY = 0.25
# Seconds. Below a millisecond it is the kernel's business; from 200 ms on every answer is late.
LATE = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5)
STATM = Path("/proc/self/statm")


@asynccontextmanager
async def measured() -> AsyncIterator[None]:
    """Measures within the block."""
    metrics.registry().register(ResourceCollector())
    late = metrics.histogram(
        "esimgo_event_loop_lag_seconds",
        "How much later than asked for the event loop woke up",
        buckets=LATE,
    )
    looking = background.start(_look(late), "measure the event loop")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait({looking})


async def _look(late: Histogram) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_EVERY
        await asyncio.sleep(LOOK_EVERY)
        late.observe(max(0.0, loop.time() - due))


class ResourceCollector(Collector):
    """Processor time, memory and garbage collections, read at each scrape."""

    def collect(self) -> Iterable[Metric]:
        """Yield the three families."""
        processor = CounterMetricFamily(
            "process_cpu_time_seconds", "Processor time used, by mode", labels=["cpu_mode"]
        )
        used = os.times()
        processor.add_metric(["user"], used.user)
        processor.add_metric(["system"], used.system)
        yield processor
        yield GaugeMetricFamily(
            "process_memory_usage_bytes", "Memory that is resident now", value=_memory()
        )
        collections = CounterMetricFamily(
            "cpython_gc_collections", "Collections of garbage", labels=["cpython_gc_generation"]
        )
        for generation, counted in enumerate(gc.get_stats()):
            collections.add_metric([str(generation)], counted["collections"])
        yield collections


def _memory() -> int:
    try:
        pages = int(STATM.read_text().split()[1])
    except OSError:  # not Linux, which only knows the peak
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * resource.getpagesize()
