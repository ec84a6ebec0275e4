"""Runs the gateway."""

import asyncio
import gc
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import web

from gateway.http import answer, app
from gateway.settings import Settings
from kit.http.server import Runner
from kit.net import listening
from kit.process.run import run

logger = logging.getLogger(__name__)

# Seconds that requests in flight get when the process stops; a purchase waits longest.
GRACE = 35.0
# Objects between two garbage collections of the youngest. Requests in flight hold thousands, and collections
# after every 700, as by default, find them all in use.
YOUNG = 5_000
# Seconds that the rest of a refused body is read and thrown away, so that its sender sees the answer.
LINGER = 2.0


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Serve until `stop`; `started` is called with the port as soon as requests are answered."""
    async with app.opened(settings) as gateway, AsyncExitStack() as parts:
        runner = Runner(
            gateway.app,
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
        started(runner.addresses[0][1])
        await stop.wait()
        gateway.edge.stopping = True
        await asyncio.sleep(settings.drain_seconds)
        await gateway.end_streams()


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve as a process of its own."""
    await serve(settings, stop, partial(ready, settings.host))


def ready(host: str, port: int) -> None:
    """Exclude what lives as long as the process from garbage collection, make collections rarer, and log.

    Schema, classes and libraries are 100,000 objects and more; traversing them delays every request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
    logger.info("gateway ready on http://%s:%s/graphql", host, port)


if __name__ == "__main__":
    run("gateway", 9400, Settings.read, Settings.secrets, main)
