import subprocess
import sys

import pytest

TELLS = """
import asyncio, sys
from kit.process.run import run
async def serve(settings, stop):
    print(asyncio.get_running_loop().get_debug())
run("tried", 0, lambda env: None, lambda settings: [], serve)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "stage", "debugging"),
    [
        ("debug", "development", "True"),
        ("debug", "production", "False"),
        ("info", "development", "False"),
    ],
)
def test_debugging_requires_a_level_and_a_stage(level: str, stage: str, debugging: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", TELLS],
        env={"LOG_LEVEL": level, "APP_ENV": stage},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == debugging


def test_an_unknown_stage_is_refused_by_name() -> None:
    result = subprocess.run(
        [sys.executable, "-c", TELLS], env={"APP_ENV": "test"}, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "APP_ENV must be one of production, development" in result.stderr
