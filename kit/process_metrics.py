"""What the process itself uses: processor, memory, and how late its event loop is."""

import asyncio
import gc
import os
import resource
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from kit import background

# Seconds between looks at the loop: four a second find a block of the target's 200 ms, and cost nothing.
LOOK_EVERY = 0.25
# Seconds. Below a millisecond it is the kernel's business; from 200 ms on every answer is late.
LATE = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5)
STATM = Path("/proc/self/statm")


@asynccontextmanager
async def measured() -> AsyncIterator[None]:
    """Measures within the block."""
    meter = metrics.get_meter("esimgo.process")
    meter.create_observable_counter(
        "process.cpu.time", [_processor], "s", "Processor time used, by mode"
    )
    meter.create_observable_up_down_counter(
        "process.memory.usage", [_memory], "By", "Memory that is resident now"
    )
    meter.create_observable_counter(
        "cpython.gc.collections", [_collections], "{collection}", "Collections of garbage"
    )
    late = meter.create_histogram(
        "esimgo.event_loop.lag",
        "s",
        "How much later than asked for the event loop woke up",
        explicit_bucket_boundaries_advisory=LATE,
    )
    looking = background.start(_look(late), "measure the event loop")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait({looking})


async def _look(late: metrics.Histogram) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_EVERY
        await asyncio.sleep(LOOK_EVERY)
        late.record(max(0.0, loop.time() - due))


def _processor(_options: CallbackOptions) -> Iterable[Observation]:
    used = os.times()
    yield Observation(used.user, {"cpu.mode": "user"})
    yield Observation(used.system, {"cpu.mode": "system"})


def _memory(_options: CallbackOptions) -> Iterable[Observation]:
    try:
        pages = int(STATM.read_text().split()[1])
    except OSError:  # not Linux: what it once was at most
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield Observation(most if sys.platform == "darwin" else most * 1024)
    else:
        yield Observation(pages * resource.getpagesize())


def _collections(_options: CallbackOptions) -> Iterable[Observation]:
    for generation, counted in enumerate(gc.get_stats()):
        yield Observation(counted["collections"], {"cpython.gc.generation": generation})
