"""Cost of telemetry in the gateway and in the webhooks' intake, and memory of every process.

`make bench-telemetry` runs `esimgo up`, and beside it one more gateway or webhook process for each
configuration. They are measured in turns. Spans go to a receiver on the same machine.
"""

import asyncio
import hashlib
import hmac
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import aiohttp
import click
import grpc
import psutil
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

from cli.config.environment import SANDBOX_KEY
from tests.fixtures.free_ports import free_ports
from tests.fixtures.local.one_machine import PORTS, ROOT
from tests.fixtures.programs.collector import Collector

QUERY = json.dumps(
    {"query": "{ dataPlans(first: 20) { id name price countries { name iso region } } }"}
)
# Additional settings of each configuration.
WAYS = {
    "without": {},
    "metrics": {"metrics": "0"},
    "metrics, 10 % of traces": {"metrics": "0", "ratio": "0.1"},
    "metrics, all traces": {"metrics": "0", "ratio": "1"},
}
CONNECTIONS = 8
# With rate limits the gateway would refuse the requests of this bench.
RATES = ("ADDRESS_RATE", "USER_RATE", "ADDRESS_WORK", "USER_WORK")
UNLIMITED = {f"GATEWAY_{rate}": "0" for rate in RATES}


@dataclass(slots=True)
class Way:
    """A process in one configuration, and the results of its rounds."""

    name: str
    url: str
    process: psutil.Process
    rates: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: int = 0  # bytes, after the last round

    def used(self) -> float:
        """Return the processor seconds so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


Send = Callable[[aiohttp.ClientSession, str], Awaitable[int]]


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Of each way, in turns.")
@click.option("--seconds", default=4.0, show_default=True, help="Of each round.")
def main(rounds: int, seconds: float) -> None:
    """Print requests in a second, processor time, and their ratios."""
    asyncio.run(_bench(rounds, seconds))


async def _bench(rounds: int, seconds: float) -> None:
    async with _receiver() as endpoint, _machine() as up, aiohttp.ClientSession() as http:
        idle = _memory(up)
        for subject, path, send, settings in (
            ("gateway", "/graphql", _ask, {"GATEWAY_RESPONSE_CACHE_SECONDS": "0"}),
            ("gateway, cached answers", "/graphql", _ask, {}),
            ("webhooks", "/webhooks/esim-go", _call_back, {}),
        ):
            ways = await _start(subject.split(",")[0], path, up, endpoint, settings, http)
            try:
                for _ in range(rounds):
                    for way in ways:
                        await _round(way, send, http, seconds)
            finally:
                for way in ways:
                    way.process.terminate()
                # In a thread, as the receiver of their last spans runs in this event loop.
                await asyncio.to_thread(psutil.wait_procs, [way.process for way in ways], 60)
            _print(subject, ways)
        _print_memory(idle, _memory(up))


def _memory(up: psutil.Process) -> dict[str, int]:
    """Return the resident bytes of each process of `up` by module."""
    children = [child for child in up.children() if "-m" in child.cmdline()]
    return {
        child.cmdline()[child.cmdline().index("-m") + 1]: _resident(child) for child in children
    }


def _resident(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def _print_memory(idle: dict[str, int], loaded: dict[str, int]) -> None:
    click.echo(f"\n{'resident, MB':<28}{'idle':>9}{'after':>8}")
    for name, before in idle.items():
        click.echo(f"{name:<28}{before / 1e6:>9,.0f}{loaded[name] / 1e6:>8,.0f}")


async def _ask(http: aiohttp.ClientSession, url: str) -> int:
    async with http.post(url, data=QUERY, headers={"Content-Type": "application/json"}) as answer:
        body = await answer.read()
        assert b'"errors"' not in body, body[:500]
        return answer.status


_numbers = count()


async def _call_back(http: aiohttp.ClientSession, url: str) -> int:
    """Post a callback of an unknown eSIM, so that only its commit is measured."""
    iccid = f"89{next(_numbers):017}"
    body = json.dumps({"alertType": "FirstAttachment", "iccid": iccid}).encode()
    signature = hmac.new(SANDBOX_KEY.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Signature-SHA256": signature}
    async with http.post(url, data=body, headers=headers) as answer:
        await answer.read()
        return answer.status


async def _round(way: Way, send: Send, http: aiohttp.ClientSession, seconds: float) -> None:
    answered, used, began = 0, way.used(), time.perf_counter()

    async def keep_on() -> None:
        nonlocal answered
        while time.perf_counter() - began < seconds:
            assert await send(http, way.url) == 200
            answered += 1

    await asyncio.gather(*(keep_on() for _ in range(CONNECTIONS)))
    way.rates.append(answered / (time.perf_counter() - began))
    way.processor.append((way.used() - used) / answered * 1e6)
    way.memory = _resident(way.process)


def _print(subject: str, ways: list[Way]) -> None:
    click.echo(f"\n{subject:<28}{'per s':>9}{'ratio':>8}{'cpu µs':>9}{'ratio':>8}{'MB':>7}")
    rate, processor = (statistics.median(x) for x in (ways[0].rates, ways[0].processor))
    for way in ways:
        mine, used = statistics.median(way.rates), statistics.median(way.processor)
        click.echo(
            f"{way.name:<28}{mine:>9,.0f}{mine / rate:>8.2f}{used:>9,.0f}{used / processor:>8.2f}"
            f"{way.memory / 1e6:>7,.0f}"
        )


async def _start(
    module: str,
    path: str,
    up: psutil.Process,
    endpoint: str,
    settings: dict[str, str],
    http: aiohttp.ClientSession,
) -> list[Way]:
    """Start the process in each configuration, with the environment of that of `up` and `settings`."""
    (like,) = [child for child in up.children() if child.cmdline()[-1] == module]
    ways = []
    for name, options in WAYS.items():
        port, admin = free_ports(2)
        environment = (
            like.environ()
            | UNLIMITED
            | settings
            | {
                f"{module.upper()}_PORT": str(port),
                "WEBHOOKS_ADMIN_PORT": str(admin),
                f"{module.upper()}_METRICS_PORT": options.get("metrics", "off"),
                "LOG_LEVEL": "warning",
            }
        )
        if ratio := options.get("ratio"):
            environment |= {
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                "OTEL_TRACES_SAMPLER_ARG": ratio,
            }
        process = psutil.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment)
        url = f"http://127.0.0.1:{port}"
        ways.append(Way(name, url + path, process))
        while True:
            try:
                async with http.get(f"{url}/healthz"):
                    break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
    return ways


@asynccontextmanager
async def _machine() -> AsyncIterator[psutil.Process]:
    """Yield a running `esimgo up` without telemetry."""
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    ports |= {name: "off" for name in PORTS if name.endswith("_METRICS_PORT")}
    with tempfile.TemporaryDirectory(prefix="esimgo-", ignore_cleanup_errors=True) as folder:
        up = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "up"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
            env=dict(os.environ) | ports | {"ESIMGO_HOME": f"{folder}/state"},
            limit=2**20,  # bytes of one line
        )
        assert up.stdout is not None
        async for line in up.stdout:
            if b"ready in" in line:
                break
        else:
            raise RuntimeError("`esimgo up` ended: run it by hand to see why")
        reading = asyncio.create_task(_swallow(up.stdout))
        try:
            yield psutil.Process(up.pid)
        finally:
            up.terminate()
            await up.wait()
            await reading


async def _swallow(lines: asyncio.StreamReader) -> None:
    async for _ in lines:
        pass


class _Receiver(Collector):
    """Receives spans and drops them."""

    async def Export(self, request: object, context: object) -> object:  # noqa: N802 - gRPC's name
        answer = await super().Export(request, context)
        self.received.clear()
        return answer


@asynccontextmanager
async def _receiver() -> AsyncIterator[str]:
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Receiver(), server)  # type: ignore[no-untyped-call]  # generated code
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop(None)


if __name__ == "__main__":
    main()
