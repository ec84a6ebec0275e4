"""Wires and runs the gateway."""

import asyncio
import gc
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import aiohttp
from aiohttp import web

from gateway import revision
from gateway.app import Gateway
from gateway.peers import Peers
from gateway.persisted import KnownDocuments, PersistedQueries
from gateway.rate_limits import RateLimits
from gateway.response_cache import ResponseCache
from gateway.settings import Settings
from kit import process, rpc_client
from kit.auth import Verifier

logger = logging.getLogger(__name__)

# Seconds that requests in flight get when the process stops; a purchase waits longest.
GRACE = 35.0
# Seconds that the rest of a refused body is read and thrown away, so that its sender sees the answer.
LINGER = 2.0


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Runs until `stop`; `started` is told the port as soon as requests are answered."""
    async with AsyncExitStack() as parts:
        http = await parts.enter_async_context(aiohttp.ClientSession())
        verifier = Verifier(
            supabase_url=settings.sessions.supabase_url,
            service_role_key=settings.sessions.service_role_key,
            jwt_secret=settings.sessions.jwt_secret,
            http=http,
        )
        peers = Peers(
            catalogue=rpc_client.channel(settings.catalogue_address, settings.tls),
            orders=rpc_client.channel(settings.orders_address, settings.tls),
            esims=rpc_client.channel(settings.esims_address, settings.tls),
        )
        parts.push_async_callback(peers.close)
        persisted = PersistedQueries(settings.redis_url) if settings.persisted_queries else None
        if persisted is not None:
            parts.push_async_callback(persisted.close)
        known = KnownDocuments(settings.trusted_documents, persisted, settings.max_depth)
        limits = RateLimits(settings.defence, settings.redis_url)
        parts.push_async_callback(limits.close)
        kept = None
        if settings.response_cache_seconds:
            kept = ResponseCache(settings.response_cache_seconds)
            following = asyncio.create_task(revision.follow(peers, kept.drop))
            parts.callback(following.cancel)
        gateway = Gateway(settings, peers, verifier, known, limits, kept)
        runner = web.AppRunner(
            gateway.app(),
            shutdown_timeout=GRACE,
            lingering_time=LINGER,
            auto_decompress=False,  # a few compressed bytes could hold a gigabyte
        )
        await runner.setup()
        parts.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, settings.host, settings.port).start()
        port = runner.addresses[0][1]
        logger.info("gateway ready on http://%s:%s/graphql", settings.host, port)
        started(port)
        await stop.wait()
        gateway.stopping = True
        await asyncio.sleep(settings.drain_seconds)
        await gateway.end_streams()


def settle(_port: int) -> None:
    """Takes what lives as long as the process out of the garbage collector's rounds.

    Schema, classes and libraries are 100,000 objects and more; looking through them holds up everybody.
    """
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    process.run("gateway", 9400, Settings.read, Settings.secrets, partial(serve, started=settle))
