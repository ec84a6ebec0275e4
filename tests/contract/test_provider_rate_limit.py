"""The provider client respects the sandbox's rate limit, which works as the provider's."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest

from providers.esim_go.client import Priority, Provider, ProviderSettings
from sandbox.server import Running, start
from sandbox.settings import Settings

# Long enough to send everything on the slowest machine; the calls end as soon as they can.
PATIENT = 100.0


@pytest.fixture
async def sandbox() -> AsyncIterator[Running]:
    running = await start(Settings(port=0))
    yield running
    await running.stop()


async def statuses(http: aiohttp.ClientSession, sandbox: Running) -> Counter[int]:
    async with http.get(f"{sandbox.control_url}/requests") as answer:
        return Counter(request["status"] for request in (await answer.json())["requests"])


def client(http: aiohttp.ClientSession, sandbox: Running) -> Provider:
    settings = Settings()
    return Provider(http, ProviderSettings(sandbox.url, settings.api_key, timeout=PATIENT))


async def test_a_single_process_is_never_rate_limited(
    http: aiohttp.ClientSession, sandbox: Running
) -> None:
    provider = client(http, sandbox)
    await asyncio.gather(
        *(provider.get("/organisation") for _ in range(20)),
        *(provider.get("/catalogue", priority=Priority.SYNC) for _ in range(3)),
    )
    assert await statuses(http, sandbox) == {200: 23}


async def test_processes_that_share_an_address_complete_all_calls(
    http: aiohttp.ClientSession, sandbox: Running
) -> None:
    await asyncio.gather(
        *(
            provider.get("/organisation")
            for provider in [client(http, sandbox) for _ in range(3)]
            for _ in range(12)
        )
    )
    assert (await statuses(http, sandbox))[200] == 36


async def test_a_rate_limited_call_waits_and_succeeds(
    http: aiohttp.ClientSession, sandbox: Running
) -> None:
    provider = client(http, sandbox)
    for _ in range(10):  # another client at the same address that ignores the limit
        async with http.get(f"{sandbox.url}/organisation", headers={"X-API-Key": "wrong"}):
            pass
    await provider.get("/organisation")
    assert (await statuses(http, sandbox))[200] == 1
