"""Commands of operators in the environment of a container, and what they print."""

import json
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

Run = Callable[..., Awaitable["subprocess.CompletedProcess[str]"]]


async def printed(run: Run, *arguments: str) -> str:
    done = await run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def read(run: Run, *arguments: str) -> Any:
    """Parse the single JSON document that a command prints."""
    return json.loads(await printed(run, *arguments, "--json"))
