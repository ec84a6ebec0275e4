"""Plugins and settings of all tests."""

from collections.abc import Iterator

import pytest
from aiohttp import web_app
from hypothesis import HealthCheck, settings

# No deadlines: a slow machine proves nothing.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

pytest_plugins = [
    "tests.fixtures.postgres",
    "tests.fixtures.neighbours",
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
    "tests.fixtures.door",
    "tests.fixtures.http_served",
    "tests.fixtures.tracing",
    "tests.fixtures.two_customers",
    "tests.fixtures.programs.redis_server",
    "tests.fixtures.skipped",
    "tests.fixtures.markers",
    "tests.fixtures.wrong_clock",
]


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """Clear aiohttp's process-wide cache of middlewares, which references every server.

    Otherwise hundreds of servers stay in memory, and garbage collection halts a late test for seconds.
    """
    yield
    web_app._cached_build_middleware.cache_clear()
