"""Wires and runs the webhook process."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack

from aiohttp import web

from kit import process
from kit.db import Database
from webhooks.app import Callbacks
from webhooks.settings import Settings

logger = logging.getLogger(__name__)

MIGRATION = "005_create_webhook_inbox"


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Runs until `stop`; `started` is told the port as soon as callbacks are taken in."""
    async with AsyncExitStack() as parts:
        database = await Database.open(
            settings.database_url, owner="webhooks", needs=MIGRATION, stop=stop
        )
        parts.push_async_callback(database.close)
        runner = web.AppRunner(Callbacks(settings, database).app(), shutdown_timeout=10)
        await runner.setup()
        parts.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        port = runner.addresses[0][1]
        logger.info("webhooks ready on %s:%s", settings.host, port)
        started(port)
        await stop.wait()


if __name__ == "__main__":
    process.run(Settings.read, Settings.secrets, serve)
