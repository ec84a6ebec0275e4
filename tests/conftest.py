"""Plugins and settings of all tests."""

from collections.abc import Iterator

import pytest
from aiohttp import web_app
from hypothesis import HealthCheck, settings

from kit.process import garbage
from kit.rpc import readiness
from kit.telemetry import metrics

# No deadlines, because slowness of the machine is not a failure.
settings.register_profile(
    "no-deadline", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("no-deadline")

pytest_plugins = [
    "tests.fixtures.postgres",
    "tests.fixtures.days",
    "tests.fixtures.sandboxes",
    "tests.fixtures.payments",
    "tests.fixtures.local.one_machine",
    "tests.fixtures.gateway",
    "tests.fixtures.cached_gateway",
    "tests.fixtures.gateway_customer",
    "tests.fixtures.browser.javascript",
    "tests.fixtures.browser.chromium",
    "tests.fixtures.platform",
    "tests.fixtures.programs.containers",
    "tests.fixtures.programs.collector",
    "tests.fixtures.webhook_endpoint",
    "tests.fixtures.http_served",
    "tests.fixtures.tracing",
    "tests.fixtures.two_customers",
    "tests.fixtures.programs.redis_server",
    "tests.fixtures.skipped",
    "tests.fixtures.markers",
    "tests.fixtures.wrong_clock",
]


def pytest_collection_finish() -> None:
    """Collect garbage as the processes do: scanning all modules again and again takes long."""
    garbage.settle()


@pytest.fixture(autouse=True)
def clear_middleware_cache() -> Iterator[None]:
    """Clear aiohttp's process-wide cache of middlewares, which references every server.

    Otherwise hundreds of servers stay in memory, and garbage collection halts a late test for seconds.
    """
    yield
    web_app._cached_build_middleware.cache_clear()


@pytest.fixture(autouse=True)
def own_metrics_and_readiness(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test its own metrics and readiness, whatever ran before it in the same process."""
    monkeypatch.setattr(readiness, "_servers", set())
    with metrics.separate_registry():
        yield
