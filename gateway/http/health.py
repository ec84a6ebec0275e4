"""Whether the gateway lives, and whether all services answer it: for load balancers and alarms."""

from collections.abc import Callable

from aiohttp import web

from gateway.upstream.peers import Peers
from kit.process.shared_probe import SharedProbe


class Health:
    """The two addresses; one object a process."""

    def __init__(self, peers: Peers, stopping: Callable[[], bool]) -> None:
        self._services = SharedProbe(peers.health)
        self._stopping = stopping

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [web.get("/healthz", self.alive), web.get("/readyz", self.ready)]

    async def alive(self, _request: web.Request) -> web.Response:
        """The process runs and takes requests."""
        if self._stopping():
            return web.json_response({"status": "stopping"}, status=503)
        return web.json_response({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """True if all services answer; one that is unavailable takes only its own fields along."""
        services = await self._services.result()
        ready = not self._stopping() and all(state == "SERVING" for state in services.values())
        return web.json_response(
            {"status": "ok" if ready else "unavailable", "services": services},
            status=200 if ready else 503,
        )
