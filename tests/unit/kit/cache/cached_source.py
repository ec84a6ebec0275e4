"""A value that a cache loads, and the outcomes of requests for it."""

import asyncio
from collections.abc import Awaitable, Callable

from kit.telemetry import metrics


class Source:
    """A value to load: counts the loads, and waits for the test on request."""

    def __init__(self) -> None:
        self.loads = 0
        self.value: object = "first"
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self) -> object:
        self.loads += 1
        value, failure = self.value, self.failure
        await self.gate.wait()
        if failure is not None:
            raise failure
        return value


def counted(kind: str) -> dict[str, float]:
    """Return the outcomes of requests for one kind of value, as the metric counts them."""
    requests = metrics.counter("esimgo_cache_requests", "")
    return {
        sample.labels["outcome"]: sample.value
        for family in requests.collect()
        for sample in family.samples
        if sample.labels["kind"] == kind and sample.name.endswith("_total")
    }


Get = Callable[[], Awaitable[object]]
