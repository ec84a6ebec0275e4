"""Wires and runs the gateway."""

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import aiohttp
from aiohttp import web

from gateway import lane_server, revision
from gateway.app import Gateway
from gateway.peers import Peers
from gateway.persisted import KnownDocuments, PersistedQueries
from gateway.rate_limits import RateLimits
from gateway.response_cache import ResponseCache
from gateway.settings import Settings
from gateway.workers import Workers
from kit import background, listening, process, rpc_client

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
    sockets: Sequence[socket.socket] = (),
) -> None:
    """Runs until `stop`; `started` is told the port as soon as requests are answered.

    It listens at `sockets` where others listen too, and else at the host and port of the settings.
    """
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
        runner = lane_server.runner(
            gateway.lane,
            gateway.app(),
            settings.http,
            shutdown_timeout=GRACE,
            lingering_time=LINGER,
            auto_decompress=False,  # a few compressed bytes could hold a gigabyte
        )
        await runner.setup()
        parts.push_async_callback(runner.cleanup)
        for one in sockets:
            await web.SockSite(runner, one).start()
        if not sockets:
            with listening.at(settings.host, settings.port, "GATEWAY"):
                await web.TCPSite(runner, settings.host, settings.port).start()
        port = runner.addresses[0][1]
        started(port)
        await stop.wait()
        gateway.stopping = True
        await asyncio.sleep(settings.drain_seconds)
        await gateway.end_streams()


def settle(_port: int) -> None:
    """Takes what lives as long as the process out of the garbage collector's rounds, and makes them rarer.

    Schema, classes and libraries are 100,000 objects and more; looking through them holds up everybody.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


def run() -> None:
    """Serves in this process, or in several that this one starts and keeps."""
    surroundings, settings = process.fit("gateway", 9400, Settings.read, Settings.secrets)
    if settings.processes == 1:

        def started(port: int) -> None:
            settle(port)
            logger.info("gateway ready on http://%s:%s/graphql", settings.host, port)

        process.live(surroundings, settings, partial(serve, started=started))
    else:
        workers = Workers(settings, settings.drain_seconds + GRACE)
        # No spans are made here.
        untraced = replace(surroundings, telemetry=replace(surroundings.telemetry, endpoint=None))
        process.live(untraced, settings, workers.keep, workers.shown)
        sys.exit(workers.status)


if __name__ == "__main__":
    run()
