"""Cost of telemetry in the gateway and in the webhooks' intake, and memory of every process.

`make bench-telemetry` runs `esimgo up`, and beside it one more gateway or webhook process for each
configuration. They are measured alternately. Spans go to a receiver on the same machine.
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
VARIANTS = {
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
class Variant:
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
@click.option("--rounds", default=5, show_default=True, help="Rounds of each variant, alternating.")
@click.option("--seconds", default=4.0, show_default=True, help="Of each round.")
def main(rounds: int, seconds: float) -> None:
    """Print requests in a second, processor time, and their ratios."""
    asyncio.run(_bench(rounds, seconds))


async def _bench(rounds: int, seconds: float) -> None:
    async with _receiver() as endpoint, _machine() as up, aiohttp.ClientSession() as http:
        idle = _memory(up)
        for subject, path, send, settings in (
            ("gateway", "/graphql", _query, {"GATEWAY_RESPONSE_CACHE_SECONDS": "0"}),
            ("gateway, cached answers", "/graphql", _query, {}),
            ("webhooks", "/webhooks/esim-go", _post_callback, {}),
        ):
            variants = await _start(subject.split(",")[0], path, up, endpoint, settings, http)
            try:
                for _ in range(rounds):
                    for variant in variants:
                        await _round(variant, send, http, seconds)
            finally:
                for variant in variants:
                    variant.process.terminate()
                # In a thread, as the receiver of their last spans runs in this event loop.
                await asyncio.to_thread(
                    psutil.wait_procs, [variant.process for variant in variants], 60
                )
            _print(subject, variants)
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


async def _query(http: aiohttp.ClientSession, url: str) -> int:
    async with http.post(url, data=QUERY, headers={"Content-Type": "application/json"}) as answer:
        body = await answer.read()
        assert b'"errors"' not in body, body[:500]
        return answer.status


_numbers = count()


async def _post_callback(http: aiohttp.ClientSession, url: str) -> int:
    """Post a callback of an unknown eSIM, so that only its commit is measured."""
    iccid = f"89{next(_numbers):017}"
    body = json.dumps({"alertType": "FirstAttachment", "iccid": iccid}).encode()
    signature = hmac.new(SANDBOX_KEY.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Signature-SHA256": signature}
    async with http.post(url, data=body, headers=headers) as answer:
        await answer.read()
        return answer.status


async def _round(variant: Variant, send: Send, http: aiohttp.ClientSession, seconds: float) -> None:
    answered, used, began = 0, variant.used(), time.perf_counter()

    async def repeat() -> None:
        nonlocal answered
        while time.perf_counter() - began < seconds:
            assert await send(http, variant.url) == 200
            answered += 1

    await asyncio.gather(*(repeat() for _ in range(CONNECTIONS)))
    variant.rates.append(answered / (time.perf_counter() - began))
    variant.processor.append((variant.used() - used) / answered * 1e6)
    variant.memory = _resident(variant.process)


def _print(subject: str, variants: list[Variant]) -> None:
    click.echo(f"\n{subject:<28}{'per s':>9}{'ratio':>8}{'cpu µs':>9}{'ratio':>8}{'MB':>7}")
    rate, processor = (statistics.median(x) for x in (variants[0].rates, variants[0].processor))
    for variant in variants:
        own_rate, used = statistics.median(variant.rates), statistics.median(variant.processor)
        click.echo(
            f"{variant.name:<28}{own_rate:>9,.0f}{own_rate / rate:>8.2f}{used:>9,.0f}{used / processor:>8.2f}"
            f"{variant.memory / 1e6:>7,.0f}"
        )


async def _start(
    module: str,
    path: str,
    up: psutil.Process,
    endpoint: str,
    settings: dict[str, str],
    http: aiohttp.ClientSession,
) -> list[Variant]:
    """Start the process in each configuration, with the environment of that of `up` and `settings`."""
    (original,) = [child for child in up.children() if child.cmdline()[-1] == module]
    variants = []
    for name, options in VARIANTS.items():
        port, admin = free_ports(2)
        environment = (
            original.environ()
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
        variants.append(Variant(name, url + path, process))
        while True:
            try:
                async with http.get(f"{url}/healthz"):
                    break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
    return variants


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
        reading = asyncio.create_task(_discard(up.stdout))
        try:
            yield psutil.Process(up.pid)
        finally:
            up.terminate()
            await up.wait()
            await reading


async def _discard(lines: asyncio.StreamReader) -> None:
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
