"""Commands load no server's libraries, and processes none that they may not need."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "needless"),
    [
        ("cli.commands", {"aiohttp", "asyncpg", "opentelemetry.exporter", "uvloop"}),
        ("cli.operators.orders", {"aiohttp", "asyncpg", "opentelemetry.exporter", "uvloop"}),
        ("services.orders.__main__", {"fpdf", "opentelemetry.exporter"}),
        ("gateway.__main__", {"asyncpg", "fpdf", "opentelemetry.exporter"}),
    ],
)
def test_a_program_starts_without_libraries_that_it_may_not_need(
    program: str, needless: set[str]
) -> None:
    script = f"import sys, {program}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert needless.isdisjoint(done.stdout.split())
