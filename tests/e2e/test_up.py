"""One command from nothing to a bought eSIM, and recovery from killed processes."""

import asyncio
import json
import shutil
import signal
import socket
from typing import Any

import psutil
import pytest

from tests.fixtures.local.one_machine import Starting, Up
from tests.fixtures.patience import PATIENCE

MEMBERS = {
    "postgres": "bin/postgres",
    "sandbox": "-m sandbox --port",
    "auth": "-m sandbox.auth",
    "catalogue": "-m services.catalogue",
    "esims": "-m services.esims",
    "orders": "-m services.orders",
    "webhooks": "-m webhooks",
    "gateway": "-m gateway",
}


async def typed(command: str, up: Up) -> Any:
    """Run a printed command in a shell and return its output."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl (Debian: apt-get install curl)")
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"{command} --silent --show-error --max-time 60"),
        stdout=asyncio.subprocess.PIPE,
        env=up.environment | {"TOKEN": up.value("TOKEN")},
    )
    out, _ = await shell.communicate()
    assert shell.returncode == 0
    return json.loads(out)["data"]


async def test_a_purchase_survives_a_restart_of_a_fresh_installation(starting: Starting) -> None:
    async with starting() as up:
        await up.until(r"up +\| ready in")
        await up.until("myESIMs")
        featured, buy, mine = up.commands()
        plans = (await typed(featured, up))["featuredPlans"]
        assert plans
        assert all(plan["name"] and plan["price"] > 0 for plan in plans)
        bought = (await typed(buy, up))["purchaseESIM"]
        assert bought["success"], bought
        assert bought["order"]["status"] == "COMPLETED"
        assert bought["order"]["esims"][0]["activationCode"].startswith("LPA:1$")
        before = (await typed(mine, up))["myESIMs"]
        assert len(before) == 1
        family = up.family()
        assert await up.stop() == 0
        assert [p for p in family if p.is_running()] == []
        assert up.lines[-1] != "Traceback"
    async with starting() as up:
        await up.until("myESIMs")
        *_, mine = up.commands()
        assert [e["id"] for e in (await typed(mine, up))["myESIMs"]] == [e["id"] for e in before]
        family = up.family()
        # Two at once count as one request, as timeout(1) sends them: to us, and to make, which passes it on.
        up.process.send_signal(signal.SIGTERM)
        assert await up.stop(signal.SIGINT) == 0
        assert not [line for line in up.lines if "was not awaited" in line]
        assert [p for p in family if p.is_running()] == []


async def test_each_killed_process_restarts_and_no_other_does(starting: Starting) -> None:
    async with starting() as up:
        await up.until("myESIMs")
        featured, buy, _ = up.commands()
        for name, command in MEMBERS.items():
            others = {n: up.member(c).pid for n, c in MEMBERS.items() if n != name}
            position = len(up.lines)
            up.member(command).kill()
            await up.until(rf"up +\| {name} ended by signal 9; restarting it", after=position)
            await up.until(rf"up +\| {name} is running again", after=position)
            assert {n: up.member(c).pid for n, c in MEMBERS.items() if n != name} == others
            # Its clients find it again within about a second, without a restart of their own.
            while not await typed(featured, up):
                await asyncio.sleep(0.2)
        assert (await typed(buy, up))["purchaseESIM"]["success"]
        assert await up.stop() == 0


async def test_killing_esimgo_up_leaves_no_process_behind_and_the_next_start_works(
    starting: Starting,
) -> None:
    async with starting() as up:
        await up.until("myESIMs")
        _, buy, mine = up.commands()
        assert (await typed(buy, up))["purchaseESIM"]["success"]
        before = (await typed(mine, up))["myESIMs"]
        family = up.family()
        await up.stop(signal.SIGKILL)
        _, alive = await asyncio.to_thread(psutil.wait_procs, family, timeout=PATIENCE)
        assert alive == []
    async with starting() as up:
        await up.until("myESIMs")
        *_, mine = up.commands()
        assert (await typed(mine, up))["myESIMs"] == before
        assert await up.stop() == 0


async def test_a_taken_port_is_reported_before_anything_starts(
    starting: Starting, one_machine: dict[str, str]
) -> None:
    port = int(one_machine["ORDERS_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        async with starting() as up:
            assert await up.process.wait() == 2
            await up.until("(ended)")
    assert f"port {port} is in use by process" in up.lines[0]
    assert "choose another port with ORDERS_PORT" in up.lines[0]
    assert up.lines[1:] == ["(ended)"]


async def test_a_second_up_with_the_same_state_is_refused(starting: Starting) -> None:
    async with starting() as first:
        await first.until(r"postgres|migrate|making the database files")
        async with starting() as second:
            assert await second.process.wait() == 2
            await second.until("(ended)")
        assert f"already runs with {first.environment['ESIMGO_HOME']}" in second.lines[0]
        assert await first.stop() == 0
