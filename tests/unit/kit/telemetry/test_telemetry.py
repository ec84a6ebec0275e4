"""The telemetry of a process: metrics over HTTP, and a collector that may be unavailable or hang."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from kit.process import collector, metrics_endpoint, telemetry
from kit.telemetry.settings import TelemetrySettings
from kit.values.env import Env
from tests.fixtures.free_ports import free_ports

# Seconds that the SDK alone would wait for a collector when a process ends.
SDKS_PATIENCE = 30
# Creates two spans, reports so, and waits for its end.
PROGRAM = """
import asyncio
from opentelemetry import trace
from kit.process.run import run

async def serve(settings, stop):
    for name in ("first", "second"):
        with trace.get_tracer("tried").start_as_current_span(name) as span:
            print(name, span.is_recording(), flush=True)
    await stop.wait()

run("tried", 0, lambda env: None, lambda settings: [], serve)
"""


@asynccontextmanager
async def running(**environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM),
        env=dict(os.environ) | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert (await process.stdout.readline()).startswith(b"first")
        assert (await process.stdout.readline()).startswith(b"second")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(process: asyncio.subprocess.Process) -> tuple[float, str]:
    """Stop it; returns the seconds until it has ended, and its log."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, logged = await process.communicate()
    assert process.returncode == 0
    return time.monotonic() - began, logged.decode()


def read(**values: str) -> tuple[TelemetrySettings, list[str]]:
    env = Env(values)
    return TelemetrySettings.read(env, "gateway", 9400), env.problems


@pytest.mark.parametrize(("given", "port"), [("", 9400), ("off", None), ("OFF", None), ("0", 0)])
def test_the_metrics_port_is_a_number_or_off(given: str, port: int | None) -> None:
    settings, problems = read(GATEWAY_METRICS_PORT=given)
    assert (settings.metrics_port, problems) == (port, [])


@pytest.mark.parametrize("given", ["none", "-1", "65536", "94 00", "٣"])
def test_an_invalid_port_is_refused_by_name(given: str) -> None:
    _, problems = read(GATEWAY_METRICS_PORT=given)
    assert problems == [
        f"GATEWAY_METRICS_PORT must be a port from 0 to 65535, or off, not {given!r}"
    ]


def test_resource_attributes_are_key_value_pairs() -> None:
    settings, problems = read(OTEL_RESOURCE_ATTRIBUTES="a=1, b=two%20words,")
    assert (settings.attributes, problems) == ({"a": "1", "b": "two words"}, [])
    _, problems = read(OTEL_RESOURCE_ATTRIBUTES="a=1,b")
    assert problems == ["OTEL_RESOURCE_ATTRIBUTES: 'b' must have the form key=value"]


@pytest.mark.parametrize(
    ("sampler", "description"),
    [
        ("always_on", "AlwaysOnSampler"),
        ("always_off", "AlwaysOffSampler"),
        ("traceidratio", "TraceIdRatioBased{0.25}"),
        ("parentbased_traceidratio", "ParentBased{root:TraceIdRatioBased{0.25}"),
    ],
)
def test_the_samplers_of_the_specification_are_supported(sampler: str, description: str) -> None:
    settings, problems = read(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG="0.25")
    assert problems == []
    assert collector.sampler(settings).get_description().startswith(description)


async def test_a_taken_port_is_logged_once_and_used_when_free(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    registry = CollectorRegistry()
    Gauge("seen", "Whether this was read", registry=registry).set(7)
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)) as other:
        async with (
            metrics_endpoint.served(registry, "127.0.0.1", port, retry=0.02),
            aiohttp.ClientSession() as http,
        ):
            while not caplog.messages:
                await asyncio.sleep(0.01)
            other.close()
            while len(caplog.messages) < 2:
                await asyncio.sleep(0.01)
            async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
                assert "seen 7.0" in await answer.text()
            async with http.get(f"http://127.0.0.1:{port}/healthz") as answer:
                assert await answer.json() == {"status": "ok"}
    first, then = caplog.messages
    assert first.startswith("metrics are not served")
    assert "choose another port" in first
    assert then == f"metrics at http://127.0.0.1:{port}/metrics"


async def test_a_process_without_a_collector_creates_no_spans_and_reports_its_identity() -> None:
    async with (
        running(OTEL_RESOURCE_ATTRIBUTES="service.instance.id=one") as process,
        aiohttp.ClientSession() as http,
    ):
        assert process.stderr is not None
        line = (await process.stderr.readline()).decode()
        found = re.search(r"metrics at (http://[\w.:/]+)", line)
        assert found is not None, line
        async with http.get(found[1]) as answer:
            text = await answer.text()
        seconds, _ = await ended(process)
    assert seconds < SDKS_PATIENCE
    assert 'service_instance_id="one",service_name="tried"' in text
    assert f'service_version="{telemetry.version()}"' in text


@pytest.mark.slow
async def test_an_unavailable_collector_is_logged_in_one_line() -> None:
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    async with running(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, TRIED_METRICS_PORT="off") as process:
        seconds, logged = await ended(process)
    assert seconds < SDKS_PATIENCE
    assert logged.count("does not accept spans; 2 dropped") == 1
    assert "Traceback" not in logged


@pytest.mark.slow
async def test_a_hanging_collector_delays_shutdown_by_seconds_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # it accepts connections and never answers
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        async with running(
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, TRIED_METRICS_PORT="off"
        ) as process:
            seconds, logged = await ended(process)
    assert seconds < SDKS_PATIENCE
    assert "dropped" in logged


def test_a_malformed_port_prevents_startup() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=dict(os.environ) | {"TRIED_METRICS_PORT": "no"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "TRIED_METRICS_PORT must be a port" in result.stderr
