"""What the provider client and the cache measure, read back through OpenTelemetry's SDK."""

import json
import subprocess
import sys
from typing import Any

import pytest

# In a process of its own: OpenTelemetry's provider can be set only once in each.
PROGRAM = """
import asyncio, json
import aiohttp
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from kit.cache import Cache
from kit.errors import Failure
from tests.unit.kit.played_provider import Answer, PlayedProvider

async def load():
    return "value"

async def main():
    async with PlayedProvider().running() as played, aiohttp.ClientSession() as http:
        client = played.client(http, attempts=1, circuit_threshold=1)
        played.will(Answer(), Answer(status=500))
        await client.get("/esims/8943108169900000016")
        try:
            await client.get("/orders")
        except Failure:
            pass
    cache = Cache.open(None, namespace="test")
    for _ in range(2):
        await cache.get_or_load("plans", "all", 100, load)
    await cache.close()

reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
asyncio.run(main())
points = {}
for resource in reader.get_metrics_data().resource_metrics:
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            points[metric.name] = [
                [dict(p.attributes), getattr(p, "value", None) or getattr(p, "count", 0)]
                for p in metric.data.data_points
            ]
print(json.dumps(points))
"""


def test_attempts_failures_tokens_circuit_and_cache_are_measured(
    pytestconfig: pytest.Config,
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=pytestconfig.rootpath,
    )
    points: dict[str, Any] = json.loads(run.stdout)
    assert points["http.client.request.duration"] == [
        [
            {
                "http.request.method": "GET",
                "url.template": path,
                "http.response.status_code": status,
            },
            1,
        ]
        for path, status in (("/esims/{}", "200"), ("/orders", "500"))
    ]
    assert points["esimgo.provider.wait"] == [[{}, 2]]
    assert points["esimgo.provider.failures"] == [
        [{"endpoint": "GET /orders", "reason": "PROVIDER_ERROR"}, 1]
    ]
    assert points["esimgo.provider.tokens"] == [[{}, 8]]
    assert points["esimgo.provider.circuit"] == [[{}, 2]]
    assert points["esimgo.cache.requests"] == [
        [{"kind": "plans", "outcome": "miss"}, 1],
        [{"kind": "plans", "outcome": "hit"}, 1],
    ]
