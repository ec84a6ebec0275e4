"""Entry point of the gateway process."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from gateway.http import answer, app
from gateway.settings import Settings
from kit.http.server import Runner, listen
from kit.process import garbage
from kit.process.run import run

logger = logging.getLogger(__name__)
# Seconds that requests in flight get when the process stops. A purchase takes the longest.
SHUTDOWN_TIMEOUT = 35.0
# Seconds in which the rest of a refused body is read and discarded, so that the client receives the response.
LINGERING_TIME = 2.0


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Run the gateway in its own process until `stop` is set."""
    await serve(settings, stop, partial(_tune_and_log, settings.host))


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Serve until `stop` is set; call `started` with the port once requests are accepted."""
    async with app.open_gateway(settings) as gateway, AsyncExitStack() as parts:
        runner = Runner(
            gateway.app,
            answer.error_body,
            settings.http,
            shutdown_timeout=SHUTDOWN_TIMEOUT,
            lingering_time=LINGERING_TIME,
            auto_decompress=False,  # a few compressed bytes could expand to a gigabyte
        )
        await runner.setup()
        parts.push_async_callback(runner.cleanup)
        started(await listen(runner, settings.host, settings.port, "GATEWAY"))
        await stop.wait()
        gateway.edge.stopping = True
        await asyncio.sleep(settings.drain_seconds)
        await gateway.close_streams()


def _tune_and_log(host: str, port: int) -> None:
    # The schema, classes and libraries are more than 100,000 objects.
    garbage.settle()
    logger.info("gateway ready on http://%s:%s/graphql", host, port)


if __name__ == "__main__":
    run("gateway", 9400, Settings.read, Settings.secrets, main)
