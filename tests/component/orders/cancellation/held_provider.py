"""A proxy in front of the sandbox that holds one request until a test releases it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL


@dataclass
class Held:
    """A request that is held; `arrived` is set when it has reached the proxy, `answered` by the provider."""

    method: str
    path: str
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class HeldProvider:
    """Forwards requests to the provider; holds those that a test names, each once."""

    def __init__(self, target: str, http: aiohttp.ClientSession) -> None:
        self._target = URL(target)
        self._http = http
        self._held: list[Held] = []
        self.url = ""

    def hold(self, method: str, path: str) -> Held:
        """Hold the next request with this method whose path ends like this, before it is forwarded."""
        held = Held(method, path)
        self._held.append(held)
        return held

    async def answer(self, request: web.Request) -> web.Response:
        for held in self._held:
            if request.method == held.method and request.path.endswith(held.path):
                self._held.remove(held)
                held.arrived.set()
                await held.release.wait()
                answer = await self._forward(request)
                held.answered.set()
                return answer
        return await self._forward(request)

    async def _forward(self, request: web.Request) -> web.Response:
        origin = str(self._target.origin())
        async with self._http.request(
            request.method,
            URL(origin + request.raw_path, encoded=True),
            headers=[(k, v) for k, v in request.headers.items() if k.lower() != "host"],
            data=await request.read(),
        ) as answer:
            return web.Response(
                body=await answer.read(),
                status=answer.status,
                content_type=answer.content_type,
                charset=answer.charset,
            )


@asynccontextmanager
async def held_provider(target: str) -> AsyncIterator[HeldProvider]:
    """Serve the proxy of a provider's address."""
    async with aiohttp.ClientSession() as http:
        provider = HeldProvider(target, http)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", provider.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        provider.url = f"http://127.0.0.1:{port}{URL(target).path}"
        try:
            yield provider
        finally:
            await runner.cleanup()
