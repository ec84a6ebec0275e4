"""The metrics of a dead letter, from its creation to its replay, in a separate webhook process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from kit.rpc import client as rpc_client
from protos.webhooks.v1 import webhooks_pb2 as pb
from protos.webhooks.v1.webhooks_pb2_grpc import WebhooksServiceStub
from tests.component.webhooks.conftest import KEY, NOBODY_LISTENS, OpenESIMs, Platform, Post
from tests.fixtures.free_ports import free_ports
from tests.fixtures.patience import PATIENCE
from webhooks.upkeep import MEASURE_EVERY

# Seconds between measurements of the gauges.
SEEN_WITHIN = MEASURE_EVERY + PATIENCE


async def samples(http: aiohttp.ClientSession, url: str) -> dict[tuple[str, str], float]:
    """Return the samples of /metrics by name and the only label that matters here."""
    async with http.get(url) as answer:
        assert answer.status == 200
        text = await answer.text()
    return {
        (s.name, s.labels.get("state") or s.labels.get("owner") or ""): s.value
        for family in text_string_to_metric_families(text)
        if family.name.startswith("esimgo_webhooks")
        for s in family.samples
    }


@asynccontextmanager
async def process(platform: Platform, esims_address: str, ports: list[int]) -> AsyncIterator[None]:
    """Run `python -m webhooks` with ports for callbacks, operators and metrics."""
    names = ("WEBHOOKS_PORT", "WEBHOOKS_ADMIN_PORT", "WEBHOOKS_METRICS_PORT")
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webhooks"),
        env={
            "PATH": os.environ["PATH"],
            **dict(zip(names, map(str, ports), strict=True)),
            "WEBHOOKS_DATABASE_URL": platform.databases.url("webhooks"),
            "WEBHOOKS_MOST_ATTEMPTS": "1",
            "ESIM_GO_WEBHOOK_SECRET": KEY,
            "ESIMS_ADDRESS": esims_address,
            "ORDERS_ADDRESS": NOBODY_LISTENS,
            "SUPABASE_URL": platform.auth.url,
            "SUPABASE_SERVICE_ROLE_KEY": platform.auth.service_role_key,
        },
    )
    try:
        yield
    finally:
        running.terminate()
        await running.wait()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Scrape until the condition holds; an unreachable process is tried again."""
    async with asyncio.timeout(SEEN_WITHIN):
        while True:
            try:
                if await holds():
                    return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


async def test_metrics_count_a_dead_letter_until_it_is_replayed(
    http: aiohttp.ClientSession, open_esims: OpenESIMs
) -> None:
    async with open_esims() as (platform, esims):
        esim = await platform.esim()
        ports = free_ports(3)
        url = f"http://127.0.0.1:{ports[2]}/metrics"
        admin = platform.databases.admin

        async def shown(name: str, label: str) -> float | None:
            return (await samples(http, url)).get((name, label))

        async def dead_events(count: float) -> bool:
            return await shown("esimgo_webhooks_events", "DEAD") == count

        async def one_died() -> bool:
            return await shown("esimgo_webhooks_dead_total", "esims") == 1

        async with process(platform, f"127.0.0.1:{esims}", ports):
            await until(lambda: dead_events(0))
            await admin.execute("revoke update on esims.esims from esims_system")
            post = Post(f"http://127.0.0.1:{ports[0]}/webhooks/esim-go", http, platform.databases)
            event = await post.send({"alertType": "FirstAttachment", "iccid": esim.iccid})
            await post.settled(event, "DEAD")
            # The counter is incremented after the commit that the row shows.
            await until(one_died)
            await until(lambda: dead_events(1))

            await admin.execute("grant update on esims.esims to esims_system")
            async with rpc_client.channel(f"127.0.0.1:{ports[1]}") as channel:
                await rpc_client.call(
                    WebhooksServiceStub(channel).ReplayEvents,
                    pb.ReplayEventsRequest(event_ids=[event]),
                    token=platform.auth.service_role_key,
                    timeout=PATIENCE,
                )
            await post.settled(event)
            await until(lambda: dead_events(0))
            # A counter keeps counting what was repaired since.
            assert await one_died()
