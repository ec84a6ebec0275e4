"""The catalogue service as a process: everything is wired here, top to bottom."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import aiohttp

from kit import background, process, provider_health, rpc
from kit.cache import Cache
from kit.db import Database
from kit.notify import Notices
from kit.provider import Provider
from kit.provider_shared import SharedTokens
from protos.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from services.catalogue.access import ACCESS, ACTS
from services.catalogue.datasource import CatalogueDataSource
from services.catalogue.live import CHANNEL, Live
from services.catalogue.servicer import CatalogueServicer
from services.catalogue.settings import Settings
from services.catalogue.stocktaking import Stocktaking
from services.catalogue.sync import Sync

OWNER = "catalogue"
NEEDS = "023_record_unusable_bundles"
# Seconds that calls in progress get at the end; none here takes longer.
GRACE = 10.0


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Serves until `stop` is set; `started` is told the port when calls are answered."""
    service = settings.service
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        database = await Database.open(
            service.database_url, owner=OWNER, needs=NEEDS, stop=stop, pooled=service.pooled
        )
        stack.push_async_callback(database.close)
        cache = Cache.open(service.redis_url, namespace=OWNER)
        stack.push_async_callback(cache.close)
        provider = Provider(http, settings.provider, shared=SharedTokens(database))
        source = CatalogueDataSource(provider, cache)
        sync = Sync(
            database, source, every=settings.sync_seconds, allow_shrink=settings.allow_shrink
        )
        notices = await stack.enter_async_context(Notices.open(service.notices_url, CHANNEL))
        stocktaking = Stocktaking(database)
        await stack.enter_async_context(stocktaking.running())
        servicer = CatalogueServicer(database, sync, Live(database, notices), stocktaking)
        verifier = service.sessions.verifier(http)
        running = await rpc.start(
            rpc.Service(
                catalogue_pb2.DESCRIPTOR.services_by_name["CatalogueService"],
                lambda server: catalogue_pb2_grpc.add_CatalogueServiceServicer_to_server(
                    servicer, server
                ),
                ACCESS,
                ACTS,
            ),
            host=service.host,
            port=service.port,
            verifier=verifier,
            tls=service.tls,
            connection_age=service.connection_age,
            limits=service.limits,
            settings="CATALOGUE",
        )
        sync.keep_current()
        tried = background.start(database.writes.watch(stop, running), "try to write")
        shown = background.start(
            provider_health.show(running, provider, stop), "show the provider's health"
        )
        started(running.port)
        await stop.wait()
        await asyncio.gather(shown, tried)
        await sync.stop()  # its followers hear the end of it before the server goes
        await running.stop(drain=service.drain_seconds, grace=GRACE)


if __name__ == "__main__":
    process.run("catalogue", 9451, Settings.read, Settings.secrets, serve)
