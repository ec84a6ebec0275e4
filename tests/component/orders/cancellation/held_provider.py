"""A proxy in front of the sandbox that holds one request until a test releases it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from tests.component.orders.shop import Shop


@dataclass
class Held:
    """A request that is held; `arrived` is set when it has reached the proxy, `answered` by the provider."""

    method: str
    path: str
    skip: int = 0
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

    def hold(self, method: str, path: str, skip: int = 0) -> Held:
        """Hold the next request with this method whose path ends like this, before it is forwarded.

        As many of these requests as `skip` are forwarded before it.
        """
        held = Held(method, path, skip)
        self._held.append(held)
        return held

    async def answer(self, request: web.Request) -> web.Response:
        for held in self._held:
            if request.method == held.method and request.path.endswith(held.path):
                if held.skip:
                    held.skip -= 1
                    continue
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
                headers={k: v for k, v in answer.headers.items() if k == "Retry-After"},
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


@asynccontextmanager
async def through_proxy(shop: Shop, **changes: Any) -> AsyncIterator[tuple[Any, HeldProvider]]:
    """Run the service, with some settings changed, and a provider whose requests can be held."""
    async with held_provider(shop.sandbox.url) as provider:
        settings = replace(shop.settings.provider, base_url=provider.url)
        async with shop.open(provider=settings, **changes) as orders:
            yield orders, provider
