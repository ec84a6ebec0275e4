from collections.abc import AsyncIterator

import pytest

from kit.cache.cache import Cache
from kit.telemetry import metrics
from tests.fixtures.stepped_clock import SteppedClock
from tests.unit.kit.cache.cached_source import Get, Source


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def cache(clock: SteppedClock) -> AsyncIterator[Cache]:
    with metrics.separate_registry():
        cache = Cache.open(None, namespace="test", clock=clock)
        yield cache
        await cache.close()


@pytest.fixture
def get(cache: Cache, source: Source) -> Get:
    """Get the value with a TTL of 100 s, and 50 s more while loading fails."""
    return lambda: cache.get_or_load("plans", "all", 100, source.load, stale=50)
