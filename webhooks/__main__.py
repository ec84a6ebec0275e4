"""Wires and runs the webhook process."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack

import aiohttp
from aiohttp import web

from kit import background, http_edge, listening, process, rpc, rpc_client
from kit.db import Database
from protos.webhooks.v1 import webhooks_pb2, webhooks_pb2_grpc
from webhooks.access import ACCESS, ACTS
from webhooks.app import Callbacks, refusal_body
from webhooks.callback import Owner
from webhooks.deliver import DeliveryWorker
from webhooks.metrics import Metrics
from webhooks.peers import Owners
from webhooks.servicer import WebhooksServicer
from webhooks.settings import Settings
from webhooks.upkeep import Upkeep

logger = logging.getLogger(__name__)

NEEDS = "029_recognize_repeats_and_foreign_callbacks"
# Seconds for what runs when the process stops: a batch on its way, an operator's call.
GRACE = 10.0


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Runs until `stop`; `started` is told the port as soon as callbacks are taken in."""
    sessions = settings.sessions
    async with AsyncExitStack() as parts:
        http = await parts.enter_async_context(aiohttp.ClientSession())
        database = await Database.open(
            settings.database_url,
            owner="webhooks",
            needs=NEEDS,
            stop=stop,
            pooled=settings.pooled,
        )
        parts.push_async_callback(database.close)
        to_esims = rpc_client.channel(settings.esims_address, settings.tls)
        parts.push_async_callback(to_esims.close)
        to_orders = rpc_client.channel(settings.orders_address, settings.tls)
        parts.push_async_callback(to_orders.close)

        metrics = Metrics()
        owners = Owners(to_esims, to_orders, sessions.service_role_key)
        workers = {
            owner: DeliveryWorker(
                owner,
                database,
                owners,
                metrics,
                most_attempts=settings.most_attempts,
                foreign_after=settings.foreign_seconds,
                stop=stop,
            )
            for owner in Owner
        }
        upkeep = Upkeep(database, metrics, retention_days=settings.retention_days, stop=stop)
        running = [
            *(background.start(worker.run(), f"deliver to {o}") for o, worker in workers.items()),
            background.start(upkeep.run(), "delete old callbacks"),
            background.start(database.writes.watch(stop), "try to write"),
        ]
        parts.push_async_callback(_end, running)

        servicer = WebhooksServicer(database, [worker.wake for worker in workers.values()])
        verifier = sessions.verifier(http)
        admin = await rpc.start(
            rpc.Service(
                webhooks_pb2.DESCRIPTOR.services_by_name["WebhooksService"],
                lambda server: webhooks_pb2_grpc.add_WebhooksServiceServicer_to_server(
                    servicer, server
                ),
                ACCESS,
                ACTS,
            ),
            host=settings.admin_host,
            port=settings.admin_port,
            verifier=verifier,
            tls=settings.tls,
            limits=settings.limits,
            settings="WEBHOOKS_ADMIN",
        )
        parts.push_async_callback(admin.stop, drain=0, grace=GRACE)

        callbacks = Callbacks(settings, database, metrics, lambda owner: workers[owner].wake())
        # The bytes as they came: they are what is signed, and a few could hold a gigabyte.
        runner = http_edge.Runner(
            callbacks.app(),
            refusal_body,
            settings.http,
            shutdown_timeout=GRACE,
            auto_decompress=False,
        )
        await runner.setup()
        parts.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, settings.host, settings.port)
        with listening.at(settings.host, settings.port, "WEBHOOKS"):
            await site.start()
        port = runner.addresses[0][1]
        logger.info("webhooks ready on %s:%s", settings.host, port)
        started(port)
        await stop.wait()
        callbacks.stopping = True
        await asyncio.sleep(settings.drain_seconds)


async def _end(running: "list[asyncio.Task[None]]") -> None:
    """They see the stop themselves; what takes too long is due again when its lease ends."""
    await asyncio.wait(running, timeout=GRACE)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


if __name__ == "__main__":
    process.run("webhooks", 9401, Settings.read, Settings.secrets, serve)
