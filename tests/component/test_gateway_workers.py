"""Several gateway processes on one port, as `python -m gateway` starts, keeps and stops them."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.settings import Settings
from gateway.workers import Workers
from kit.env import Env
from protos.esims.v1 import esims_pb2
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ESIM_ID, esim
from tests.fixtures.one_machine import PERSONAL, Up

ROOT = Path(__file__).parents[2]
# Seconds; three processes start on a machine with other tests.
pytestmark = pytest.mark.timeout(300)

PING = {"query": "{ __typename }"}
# The services may take 30 s for it, and it is one call.
RENAME = {
    "query": f'mutation {{ updateESIMReference(esimId: "{ESIM_ID}", reference: "x") {{ success }} }}'
}
Started = Callable[..., AbstractAsyncContextManager[Up]]


@pytest.fixture
def environment(gateway: Gateway) -> dict[str, str]:
    """Two processes in front of the stand-ins of the fixture's own gateway."""
    settings = gateway.settings
    clean = {k: v for k, v in os.environ.items() if not k.startswith((*PERSONAL, "GATEWAY_"))}
    return clean | {
        "GATEWAY_PROCESSES": "2",
        "GATEWAY_PORT": "0",
        "GATEWAY_METRICS_PORT": "0",
        "GATEWAY_RESPONSE_CACHE_SECONDS": "0",
        "CATALOGUE_ADDRESS": settings.catalogue_address,
        "ORDERS_ADDRESS": settings.orders_address,
        "ESIMS_ADDRESS": settings.esims_address,
        "SUPABASE_URL": settings.sessions.supabase_url,
        "SUPABASE_SERVICE_ROLE_KEY": settings.sessions.service_role_key,
        "LOG_FORMAT": "text",
        "DRAIN_SECONDS": "0",
    }


@pytest.fixture
def started(environment: dict[str, str]) -> Started:
    """Starts the processes; kills what of them still runs at the end of the block."""

    @asynccontextmanager
    async def start(**more: str) -> AsyncIterator[Up]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
            env=environment | more,
        )
        up = Up(process, environment)
        reading = asyncio.create_task(up.read())
        family: list[psutil.Process] = []
        try:
            await up.until("gateway ready")
            family = up.family()
            yield up
        finally:
            with suppress(psutil.NoSuchProcess):
                family += up.family()
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await reading

    return start


def address(up: Up) -> str:
    """Where GraphQL is asked."""
    line = next(line for line in up.lines if "gateway ready" in line)
    return line.split(" on ")[1].split(": ")[0]


async def ask(up: Up, body: Any = PING, token: str | None = None) -> Any:
    """The answer, over a connection of its own."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession() as http,
        http.post(address(up), json=body, headers=headers) as answer,
    ):
        assert answer.status == 200
        return await answer.json()


async def answered(up: Up) -> dict[str, float]:
    """How many requests each process has answered, by its name in the metrics."""
    found: dict[str, float] = {}
    where = (await up.until("metrics at ")).split("metrics at ")[1]
    async with aiohttp.ClientSession() as http, http.get(where) as answer:
        text = await answer.text()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "http_server_request_duration_seconds_count":
                name = sample.labels["worker"]
                found[name] = found.get(name, 0) + sample.value
    return found


async def until_each_answered(up: Up) -> None:
    """Opens connections until both processes have taken some."""
    before = await answered(up)
    while True:
        await asyncio.gather(*(ask(up) for _ in range(10)))
        now = await answered(up)
        if all(now.get(name, 0) > before.get(name, 0) for name in ("1", "2")):
            return


async def state(process: psutil.Process, wanted: str) -> None:
    while process.status() != wanted:
        await asyncio.sleep(0.01)


async def gone(process: psutil.Process) -> None:
    """When it has ended; whose parent is dead may stay as a zombie where nobody reaps."""
    with suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.05)


class Held:
    """Changes whose answers the esims service keeps back until it is told; none may be lost."""

    def __init__(self, gateway: Gateway, customer: Client, up: Up, count: int) -> None:
        self._gateway = gateway
        self._count = count
        self._release = asyncio.Event()
        gateway.esims.answers["UpdateESIMReference"] = self._late
        self._asked = [asyncio.create_task(ask(up, RENAME, customer.token)) for _ in range(count)]

    async def _late(self, _request: Any) -> Any:
        await self._release.wait()
        return esims_pb2.UpdateESIMReferenceResponse(esim=esim())

    async def arrived(self) -> None:
        while self._gateway.esims.calls["UpdateESIMReference"] < self._count:
            await asyncio.sleep(0.01)

    async def release(self) -> None:
        """Lets them be answered."""
        self._release.set()
        for body in await asyncio.gather(*self._asked):
            assert body == {"data": {"updateESIMReference": {"success": True}}}


async def test_both_answer_on_one_port_and_tell_their_own_metrics(started: Started) -> None:
    async with started(OTEL_RESOURCE_ATTRIBUTES="service.instance.id=shop") as up:
        await until_each_answered(up)
        where = (await up.until("metrics at ")).split("metrics at ")[1]
        async with aiohttp.ClientSession() as http, http.get(where) as answer:
            text = await answer.text()
        (info,) = [f for f in text_string_to_metric_families(text) if f.name == "target_info"]
        ids = {s.labels["worker"]: s.labels["service_instance_id"] for s in info.samples}
        assert ids == {"parent": "shop", "1": "shop-1", "2": "shop-2"}
        assert any("each of the 2 processes counts for itself" in line for line in up.lines)


async def test_one_that_is_killed_leaves_the_other_answering_and_comes_back(
    started: Started,
) -> None:
    async with started() as up:
        up.member("gateway.worker 1 ").kill()
        await up.until("worker 1 was ended by signal 9; starting it again")
        for _ in range(20):
            await ask(up)
        await up.until("worker 1 is back")
        await until_each_answered(up)
        assert await up.stop() == 0


async def test_a_request_that_nobody_has_taken_outlives_every_worker(started: Started) -> None:
    async with started() as up:
        workers = [up.member(f"gateway.worker {n} ") for n in (1, 2)]
        for worker in workers:
            worker.suspend()
        for worker in workers:
            await state(worker, psutil.STATUS_STOPPED)
        waiting = asyncio.create_task(ask(up))
        while not waits_at(up):
            await asyncio.sleep(0.01)
        for worker in workers:
            worker.kill()
        assert await waiting == {"data": {"__typename": "Query"}}


def waits_at(up: Up) -> bool:
    """Whether somebody is connected to the port."""
    port = int(address(up).split(":")[2].split("/")[0])
    found = psutil.Process().net_connections("tcp")
    return any(c.raddr and c.raddr.port == port and c.status == "ESTABLISHED" for c in found)


async def test_sigterm_ends_all_after_their_requests(
    gateway: Gateway, ann: Client, started: Started
) -> None:
    async with started() as up:
        workers = up.family()
        held = Held(gateway, ann, up, 12)
        await held.arrived()
        up.process.send_signal(signal.SIGTERM)
        await up.until("SIGTERM received")
        await held.release()
        assert await up.process.wait() == 0
        assert not any(worker.is_running() for worker in workers)


async def test_a_signal_to_all_at_once_cuts_nothing_short(
    gateway: Gateway, ann: Client, started: Started
) -> None:
    async with started() as up:
        held = Held(gateway, ann, up, 6)
        await held.arrived()
        for process in (up.process, *up.family()):  # as managers of services send it
            process.send_signal(signal.SIGTERM)
        await up.until("SIGTERM received")
        await held.release()
        assert await up.process.wait() == 0


async def test_asked_twice_all_end_at_once(gateway: Gateway, ann: Client, started: Started) -> None:
    async with started() as up:
        workers = up.family()
        held = Held(gateway, ann, up, 2)
        await held.arrived()
        up.process.send_signal(signal.SIGTERM)
        await up.until("SIGTERM received")
        up.process.send_signal(signal.SIGTERM)
        assert await up.process.wait() != 0
        for worker in workers:
            await gone(worker)
        with pytest.raises(aiohttp.ClientError):
            await held.release()


async def test_workers_whose_parent_dies_answer_what_they_have_and_end(
    gateway: Gateway, ann: Client, started: Started
) -> None:
    async with started() as up:
        workers = up.family()
        held = Held(gateway, ann, up, 4)
        await held.arrived()
        parent = psutil.Process(up.process.pid)
        up.process.kill()
        await gone(parent)
        await held.release()
        for worker in workers:
            await gone(worker)


async def test_one_that_hangs_is_replaced(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read(Env(environment))
    workers = Workers(settings, patience=30, look_every=1)
    stop = asyncio.Event()
    keeping = asyncio.create_task(workers.keep(settings, stop))

    async def told(words: str) -> None:
        while not any(words in message for message in caplog.messages):
            await asyncio.sleep(0.05)

    await told("gateway ready")
    (hanging,) = [
        child
        for child in psutil.Process().children()
        if "gateway.worker 2 " in " ".join(child.cmdline())
    ]
    hanging.suspend()
    await told("worker 2 gives no sign of life: killed")
    await told("worker 2 is back")
    stop.set()
    await keeping
    assert workers.status == 0


async def test_wrong_settings_are_told_once(environment: dict[str, str]) -> None:
    wrong = environment | {"GATEWAY_PROCESSES": "1.5", "GATEWAY_MAX_DEPTH": "many"}
    status, said = await refused(wrong)
    assert status == 2
    (line,) = said.splitlines()
    assert "GATEWAY_PROCESSES must be a whole number, not 1.5" in line
    assert "GATEWAY_MAX_DEPTH" in line


@pytest.mark.parametrize("number", ["0", "-1", "65", "two"])
async def test_a_number_of_processes_that_is_none_is_refused(number: str) -> None:
    env = Env({"GATEWAY_PROCESSES": number})
    Settings.read(env)
    (problem,) = [text for text in env.problems if "GATEWAY_PROCESSES" in text]
    assert "a number from 1 to 64" in problem


async def test_a_taken_port_is_told_once(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, said = await refused(environment | {"GATEWAY_PORT": str(port)})
    assert status == 1
    assert said.count("cannot start") == 1
    assert f"can't listen at 127.0.0.1:{port}: Address already in use" in said


async def refused(environment: dict[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env=environment,
    )
    said, _ = await process.communicate()
    return await process.wait(), said.decode()
