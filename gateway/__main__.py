"""Wires and runs the gateway."""

import asyncio
import gc
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack

import aiohttp
from aiohttp import web

from gateway import answer, revision
from gateway.app import Gateway
from gateway.peers import Peers
from gateway.persisted import KnownDocuments, PersistedQueries
from gateway.rate_limits import RateLimits
from gateway.response_cache import ResponseCache
from gateway.settings import Settings
from kit import background, http_edge, listening, process, rpc_client

logger = logging.getLogger(__name__)

# Seconds that requests in flight get when the process stops; a purchase waits longest.
GRACE = 35.0
# Objects between two rounds of the garbage collector over the youngest. Requests under way hold thousands,
# and rounds after every 700, as by default, find them all in use.
YOUNG = 5_000
# Seconds that the rest of a refused body is read and thrown away, so that its sender sees the answer.
LINGER = 2.0


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    started: Callable[[int], None] = lambda port: None,
) -> None:
    """Serve until `stop`; `started` is called with the port as soon as requests are answered."""
    async with AsyncExitStack() as parts:
        http = await parts.enter_async_context(aiohttp.ClientSession())
        verifier = settings.sessions.verifier(http)
        peers = Peers(
            catalogue=rpc_client.channel(settings.catalogue_address, settings.tls),
            orders=rpc_client.channel(settings.orders_address, settings.tls),
            esims=rpc_client.channel(settings.esims_address, settings.tls),
        )
        parts.push_async_callback(peers.close)
        persisted = None
        if settings.persisted_queries:
            persisted = PersistedQueries(
                settings.redis_url, per_client=settings.persisted_per_client
            )
        if persisted is not None:
            parts.push_async_callback(persisted.close)
        known = KnownDocuments(
            settings.trusted_documents, persisted, settings.max_depth, settings.defence.work
        )
        limits = RateLimits(settings.defence, settings.redis_url)
        parts.push_async_callback(limits.close)
        kept = None
        if settings.response_cache_seconds:
            kept = ResponseCache(
                settings.response_cache_seconds, most_bytes=settings.response_cache_bytes
            )
            following = background.start(
                revision.follow(peers, kept.drop), "follow the catalogue's revision"
            )
            parts.callback(following.cancel)
        gateway = Gateway(settings, peers, verifier, known, limits, kept)
        runner = http_edge.Runner(
            gateway.app(),
            answer.error_body,
            settings.http,
            shutdown_timeout=GRACE,
            lingering_time=LINGER,
            auto_decompress=False,  # a few compressed bytes could hold a gigabyte
        )
        await runner.setup()
        parts.push_async_callback(runner.cleanup)
        with listening.at(settings.host, settings.port, "GATEWAY"):
            await web.TCPSite(runner, settings.host, settings.port).start()
        port = runner.addresses[0][1]
        started(port)
        await stop.wait()
        gateway.stopping = True
        await asyncio.sleep(settings.drain_seconds)
        await gateway.end_streams()


async def serve_settled(settings: Settings, stop: asyncio.Event) -> None:
    """Serve with a garbage collector that is adjusted to a long-lived process."""

    def started(port: int) -> None:
        settle()
        logger.info("gateway ready on http://%s:%s/graphql", settings.host, port)

    await serve(settings, stop, started)


def settle() -> None:
    """Exclude what lives as long as the process from garbage collection, and make collections rarer.

    Schema, classes and libraries are 100,000 objects and more; traversing them delays every request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


def run() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    process.run("gateway", 9400, Settings.read, Settings.secrets, serve_settled)


if __name__ == "__main__":
    run()
