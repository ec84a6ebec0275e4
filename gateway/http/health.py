"""Health endpoints for load balancers and alerts: /healthz (alive) and /readyz (all services answer)."""

from collections.abc import Callable

from aiohttp import web

from gateway.upstream.peers import Peers
from kit.process.shared_probe import SharedProbe


class Health:
    """Serves both health endpoints."""

    def __init__(self, peers: Peers, stopping: Callable[[], bool]) -> None:
        self._services = SharedProbe(peers.health)
        self._stopping = stopping

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/healthz", self.alive), web.get("/readyz", self.ready)]

    async def alive(self, _request: web.Request) -> web.Response:
        """Return 200, or 503 while the process stops."""
        if self._stopping():
            return web.json_response({"status": "stopping"}, status=503)
        return web.json_response({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Return 200 if every service is healthy, otherwise 503."""
        services = await self._services.result()
        ready = not self._stopping() and all(state == "SERVING" for state in services.values())
        return web.json_response(
            {"status": "ok" if ready else "unavailable", "services": services},
            status=200 if ready else 503,
        )
