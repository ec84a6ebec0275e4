"""A real HTTP server that gives prepared responses in order."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from providers.esim_go.client import Provider, ProviderSettings

KEY = "key-that-must-stay-secret"


@dataclass
class Answer:
    """A response; `drop` breaks the connection instead, `hang` sends nothing until the end."""

    body: object = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    raw: bytes | None = None  # sent as is, whatever the headers say of its encoding
    drop: bool = False
    hang: bool = False


@dataclass
class Received:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: str


class FakeProvider:
    """Gives the prepared responses and repeats the last one; records the requests."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [Answer()]
        self.received: list[Received] = []
        self.arrived = asyncio.Event()
        self.url = ""
        self._end = asyncio.Event()

    def will(self, *answers: Answer) -> None:
        self.answers = list(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.received.append(
            Received(
                request.method,
                request.raw_path.partition("?")[0],
                list(request.query.items()),
                dict(request.headers),
                await request.text(),
            )
        )
        self.arrived.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.hang:
            await self._end.wait()
        if answer.drop:
            assert request.transport is not None
            request.transport.abort()
        if answer.raw is not None:
            return web.Response(body=answer.raw, status=answer.status, headers=answer.headers)
        return web.Response(
            text=json.dumps(answer.body) if answer.text is None else answer.text,
            content_type="application/json" if answer.text is None else "text/plain",
            status=answer.status,
            headers=answer.headers,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeProvider"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v2.5"
        try:
            yield self
        finally:
            self._end.set()
            await runner.cleanup()

    def client(self, http: aiohttp.ClientSession, **settings: float) -> Provider:
        """Return a client of this server; `settings` as in ProviderSettings."""
        return Provider(http, ProviderSettings(self.url, KEY, **settings))  # type: ignore[arg-type]  # numbers
