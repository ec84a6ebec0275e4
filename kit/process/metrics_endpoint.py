"""HTTP endpoint for the metrics of a process in Prometheus's text format, and for its probes."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from kit import background
from kit.http.server import Runner, plain_body
from kit.rpc import readiness

logger = logging.getLogger(__name__)

# Seconds between attempts to listen on a port that is in use, such as by the process being replaced.
RETRY_EVERY = 10.0


@asynccontextmanager
async def served(
    registry: CollectorRegistry, host: str, port: int, *, retry: float = RETRY_EVERY
) -> AsyncIterator[None]:
    """Serve /metrics, /healthz and /readyz within the block.

    If the port is in use, the process runs without them and tries again every `retry` seconds.
    """

    async def metrics(_request: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=generate_latest(registry), headers=headers)

    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_request: web.Request) -> web.Response:
        state = readiness.ready()
        if state is None:
            return web.json_response({"status": "no gRPC server runs here"}, status=404)
        text = "ready" if state else "not ready"
        return web.json_response({"status": text}, status=200 if state else 503)

    app = web.Application()
    app.add_routes(
        [web.get("/metrics", metrics), web.get("/healthz", alive), web.get("/readyz", ready)]
    )
    runner = Runner(app, plain_body, access_log=None)
    await runner.setup()
    listening = background.start(_listen(runner, host, port, retry), "listen for metrics")
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.wait({listening})
        await runner.cleanup()


async def _listen(runner: Runner, host: str, port: int, retry: float) -> None:
    logged = False
    while True:
        try:
            bound = await runner.listen(host, port)
        except OSError as error:
            if not logged:
                logger.warning(
                    "metrics are not served: %s; stop the process that listens on %s:%d, or"
                    " choose another port (0 lets the operating system choose); retrying every"
                    " %.0f s",
                    error.strerror or type(error).__name__,
                    host,
                    port,
                    retry,
                )
                logged = True
            await asyncio.sleep(retry)
        else:
            logger.info("metrics at http://%s:%d/metrics", host, bound)
            return
