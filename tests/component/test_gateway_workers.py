"""Several gateway processes on one port, as `python -m gateway` starts, keeps and stops them."""

import asyncio
import signal
import socket

import aiohttp
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.settings import Settings
from gateway.workers import Workers
from kit.env import Env
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_workers import (
    Held,
    StartingWorkers,
    ask,
    gone,
    refused,
    state,
    until_each_answered,
    waits_at,
)

# Seconds; three processes start on a machine with other tests.
pytestmark = pytest.mark.timeout(300)


async def test_both_answer_on_one_port_and_tell_their_own_metrics(
    starting_workers: StartingWorkers,
) -> None:
    async with starting_workers(OTEL_RESOURCE_ATTRIBUTES="service.instance.id=shop") as up:
        await until_each_answered(up)
        where = (await up.until("metrics at ")).split("metrics at ")[1]
        async with aiohttp.ClientSession() as http, http.get(where) as answer:
            text = await answer.text()
        (info,) = [f for f in text_string_to_metric_families(text) if f.name == "target_info"]
        ids = {s.labels["worker"]: s.labels["service_instance_id"] for s in info.samples}
        assert ids == {"parent": "shop", "1": "shop-1", "2": "shop-2"}
        assert any("each of the 2 processes counts for itself" in line for line in up.lines)


async def test_metrics_are_refused_while_no_worker_can_tell_any(
    starting_workers: StartingWorkers,
) -> None:
    async with starting_workers() as up:
        workers = [up.member(f"gateway.worker {n} ") for n in (1, 2)]
        where = (await up.until("metrics at ")).split("metrics at ")[1]
        async with aiohttp.ClientSession() as http:
            for worker in workers:
                worker.suspend()
            async with http.get(where) as answer:
                assert answer.status == 503
            for worker in workers:
                worker.resume()
            # On a busy machine a worker is not back at once.
            while answer.status == 503:
                async with http.get(where) as answer:
                    pass
            assert answer.status == 200


async def test_one_that_is_killed_leaves_the_other_answering_and_comes_back(
    starting_workers: StartingWorkers,
) -> None:
    async with starting_workers() as up:
        up.member("gateway.worker 1 ").kill()
        await up.until("worker 1 was ended by signal 9; starting it again")
        for _ in range(20):
            await ask(up)
        await up.until("worker 1 is back")
        await until_each_answered(up)
        assert await up.stop() == 0


async def test_a_request_that_nobody_has_taken_outlives_every_worker(
    starting_workers: StartingWorkers,
) -> None:
    async with starting_workers() as up:
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


async def test_sigterm_ends_all_after_their_requests(
    gateway: Gateway, ann: Client, starting_workers: StartingWorkers
) -> None:
    async with starting_workers() as up:
        workers = up.family()
        held = Held(gateway, ann, up, 12)
        await held.arrived()
        up.process.send_signal(signal.SIGTERM)
        await up.until("SIGTERM received")
        await held.release()
        assert await up.process.wait() == 0
        assert not any(worker.is_running() for worker in workers)


async def test_a_signal_to_all_at_once_cuts_nothing_short(
    gateway: Gateway, ann: Client, starting_workers: StartingWorkers
) -> None:
    async with starting_workers() as up:
        held = Held(gateway, ann, up, 6)
        await held.arrived()
        for process in (up.process, *up.family()):  # as managers of services send it
            process.send_signal(signal.SIGTERM)
        await up.until("SIGTERM received")
        await held.release()
        assert await up.process.wait() == 0


async def test_asked_twice_all_end_at_once(
    gateway: Gateway, ann: Client, starting_workers: StartingWorkers
) -> None:
    async with starting_workers() as up:
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
    gateway: Gateway, ann: Client, starting_workers: StartingWorkers
) -> None:
    async with starting_workers() as up:
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
    two_workers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    for name, value in two_workers.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read(Env(two_workers))
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


async def test_wrong_settings_are_told_once(two_workers: dict[str, str]) -> None:
    wrong = two_workers | {"GATEWAY_PROCESSES": "1.5", "GATEWAY_MAX_DEPTH": "many"}
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


async def test_a_taken_port_is_told_once(two_workers: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, said = await refused(two_workers | {"GATEWAY_PORT": str(port)})
    assert status == 1
    assert said.count("cannot start") == 1
    assert f"cannot start: GATEWAY_PORT: port {port} is taken" in said
