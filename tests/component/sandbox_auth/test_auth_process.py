"""The emulator as its own process: its single output line, exit, and state after a kill."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

KEYS = ["--anon-key", "anon", "--service-role-key", "service"]
READY = "auth ready on "


@asynccontextmanager
async def run(*arguments: str) -> AsyncIterator[Process]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SUPABASE_")
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.auth", *arguments, stdout=PIPE, stderr=PIPE, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def ready(process: Process) -> str:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith(f"{READY}http://127.0.0.1:")
    return line.removeprefix(READY).strip()


async def mint(url: str) -> dict[str, Any]:
    body = {"email": "ada@example.com"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/_control/auth/session", json=body) as response,
    ):
        session: dict[str, Any] = await response.json()
        return session


async def test_the_process_stops_cleanly_on_a_signal() -> None:
    async with run("--port", "0", *KEYS) as process:
        await mint(await ready(process))
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
        assert (process.returncode, errors) == (0, b"")


async def test_acknowledged_changes_survive_a_kill(tmp_path: Path) -> None:
    arguments = ["--port", "0", "--state", str(tmp_path / "new" / "auth.sqlite"), *KEYS]
    async with run(*arguments) as process:
        before = await mint(await ready(process))
        process.kill()
        await process.communicate()
    async with run(*arguments) as process:
        after = await mint(await ready(process))
        state_files = list((tmp_path / "new").iterdir())
    assert after["user"]["id"] == before["user"]["id"]
    assert state_files
    assert all(file.stat().st_mode & 0o077 == 0 for file in state_files)


async def test_a_failed_start_reports_the_reason(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.write_text("this is no database, but long enough to look at" * 20)
    for arguments, message in [
        (["--port", "0"], "--anon-key"),
        (["--port", "0", *KEYS, "--state", str(foreign)], "not a state file"),
        (["--port", "99999", *KEYS], "can't start"),
        (["--port", "0", "--anon-key", "x", "--service-role-key", "x"], "must differ"),
        (["--port", "0", *KEYS, "--public-url", "localhost"], "public_url"),
    ]:
        async with run(*arguments) as process:
            _, errors = await process.communicate()
            assert process.returncode not in (0, None)
        assert message in errors.decode()
        assert "Traceback" not in errors.decode()
