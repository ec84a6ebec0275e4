"""The sandbox as a process: its single output line, options, exit, and state after a kill."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

HEADERS = {"X-API-Key": "sandbox-api-key"}
ORDER = {
    "type": "transaction",
    "assign": True,
    "order": [{"type": "bundle", "quantity": 1, "item": "esim_1GB_7D_GB_V2"}],
}
Spawn = Callable[..., Awaitable[tuple[Process, str]]]


@pytest.fixture
async def spawn() -> AsyncIterator[Spawn]:
    """Start `python -m sandbox` on a free port; yields the process and its base address."""
    started: list[Process] = []

    async def begin(*options: str) -> tuple[Process, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sandbox", "--port", "0", *options, stdout=PIPE, stderr=PIPE
        )
        started.append(process)
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        found = re.fullmatch(r"sandbox ready on (http://127\.0\.0\.1:\d+/v2\.5)\n", line)
        return process, found[1] if found else ""

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def get(url: str) -> Any:
    async with aiohttp.ClientSession() as http, http.get(url, headers=HEADERS) as answer:
        return await answer.json()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_stops_cleanly_on_a_signal(spawn: Spawn, number: signal.Signals) -> None:
    process, url = await spawn()
    assert (await get(f"{url}/organisation"))["balance"] == 10_000
    process.send_signal(number)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


async def test_acknowledged_orders_survive_a_kill(spawn: Spawn, tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state"), "--set", "tokens_per_second=0")
    process, url = await spawn(*state)
    acknowledged: list[str] = []

    async def buy() -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                async with http.post(f"{url}/orders", json=ORDER, headers=HEADERS) as answer:
                    acknowledged.append((await answer.json())["orderReference"])
                    if len(acknowledged) == 30:
                        process.kill()

    buyers = [asyncio.create_task(buy()) for _ in range(3)]
    ended = await asyncio.gather(*buyers, return_exceptions=True)
    assert all(isinstance(end, aiohttp.ClientError) for end in ended)
    await process.wait()

    _, url = await spawn(*state)
    orders = await get(f"{url}/orders?limit=200&includeIccids=true")
    references = {order["orderReference"] for order in orders}
    assert set(acknowledged) <= references
    esims = (await get(f"{url}/esims?perPage=100"))["rows"]
    assert esims == len(orders)
    balance = (await get(f"{url}/organisation"))["balance"]
    assert balance == pytest.approx(10_000 - 1.37 * len(orders))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "refunds=maybe"), b"true or false"),
        (("--set", "colour=red"), b"unknown switch"),
        (("--balance", "much"), b"amount of money"),
        (("--catalogue", "/nowhere.json"), b"/nowhere.json"),
        (("--host", "192.0.2.1"), b"can't listen on 192.0.2.1"),
    ],
)
async def test_invalid_options_end_the_process_with_a_message(
    spawn: Spawn, options: tuple[str, ...], message: bytes
) -> None:
    process, url = await spawn(*options)
    _, errors = await process.communicate()
    assert (url, process.returncode in (1, 2)) == ("", True)
    assert message in errors
    assert b"Traceback" not in errors


async def test_a_port_in_use_is_reported(spawn: Spawn) -> None:
    _, url = await spawn()
    port = url.split(":")[2].split("/")[0]
    process, _ = await spawn("--port", port)
    _, errors = await process.communicate()
    assert f"can't listen on 127.0.0.1:{port}".encode() in errors
