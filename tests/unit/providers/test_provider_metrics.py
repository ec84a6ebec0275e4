import aiohttp
import pytest

from kit.cache.cache import Cache
from kit.errors import Failure
from kit.telemetry import metrics
from tests.unit.providers.fake_provider import Answer, FakeProvider


async def test_attempts_failures_tokens_circuit_and_cache_are_measured() -> None:
    async def load() -> str:
        return "value"

    with metrics.separate_registry() as registry:
        async with FakeProvider().running() as fake, aiohttp.ClientSession() as http:
            client = fake.client(http, attempts=1, circuit_threshold=1)
            fake.will(Answer(), Answer(status=500))
            await client.get("/esims/8943108169900000016")
            with pytest.raises(Failure):
                await client.get("/orders")
        cache = Cache.open(None, namespace="test")
        for _ in range(2):
            await cache.get_or_load("plans", "all", 100, load)
        await cache.close()

        def value(name: str, **labels: str) -> float | None:
            return registry.get_sample_value(name, labels)

        for path, status in (("/esims/{}", "200"), ("/orders", "500")):
            assert (
                value(
                    "http_client_request_duration_seconds_count",
                    http_request_method="GET",
                    url_template=path,
                    http_response_status_code=status,
                )
                == 1
            )
        assert value("esimgo_provider_wait_seconds_count") == 2
        failures = "esimgo_provider_failures_total"
        assert value(failures, endpoint="GET /orders", reason="PROVIDER_ERROR") == 1
        assert value("esimgo_provider_tokens") == 8
        assert value("esimgo_provider_circuit") == 2
        for outcome in ("miss", "hit"):
            assert value("esimgo_cache_requests_total", kind="plans", outcome=outcome) == 1
