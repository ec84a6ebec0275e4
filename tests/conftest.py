"""Fixtures that all tests may use."""

pytest_plugins = [
    "tests.fixtures.postgres",
    "tests.fixtures.neighbours",
    "tests.fixtures.one_machine",
    "tests.fixtures.gateway",
    "tests.fixtures.gateway_customer",
    "tests.fixtures.javascript",
    "tests.fixtures.chromium",
    "tests.fixtures.platform",
    "tests.fixtures.containers",
    "tests.fixtures.collector",
    "tests.fixtures.door",
    "tests.fixtures.tracing",
]
