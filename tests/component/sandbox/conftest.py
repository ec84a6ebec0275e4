"""A sandbox that answers on a free port, and a client for both of its doors."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from sandbox.server import Running, start
from sandbox.settings import Settings
from sandbox.switches import Switches

BUNDLE = "esim_1GB_7D_GB_V2"
KEY = Settings().api_key


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Any
    raw: bytes
    json: Any


@dataclass(frozen=True, slots=True)
class Client:
    """Speaks to a sandbox as a customer of the provider, and through its admin API."""

    running: Running
    http: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        """A request to the provider's paths, with the good key unless `key` says otherwise."""
        headers = {"X-API-Key": more.pop("key", KEY), **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        url = self.running.url + path
        async with self.http.request(method, url, headers=headers, **more) as answer:
            raw = await answer.read()
            is_json = answer.content_type == "application/json"
            return Reply(
                answer.status, answer.headers, raw, await answer.json() if is_json else None
            )

    async def get(self, path: str, **more: Any) -> Any:
        """The JSON of a GET that must go well."""
        reply = await self.call("GET", path, **more)
        assert reply.status == 200, reply.raw
        return reply.json

    async def control(self, path: str, body: Any = None, method: str = "") -> Any:
        """What the admin API answers; GET without a body, POST with one."""
        url = f"{self.running.control_url}/{path}"
        verb = method or ("GET" if body is None else "POST")
        async with self.http.request(verb, url, json=body) as answer:
            shown = await answer.json()
            assert answer.status == 200, shown
            return shown

    async def refused(self, path: str, body: Any, status: int = 400) -> str:
        """The words with which the admin API refuses."""
        url = f"{self.running.control_url}/{path}"
        async with self.http.post(url, json=body) as answer:
            assert answer.status == status
            return str((await answer.json())["message"])

    async def buy(self, quantity: int = 1, *, assign: bool = True, **line: Any) -> Any:
        """Places an order of one line and gives the answer."""
        item = {"type": "bundle", "quantity": quantity, "item": BUNDLE, **line}
        body = {"type": "transaction", "assign": assign, "order": [item]}
        reply = await self.call("POST", "/orders", body)
        assert reply.status == 200, reply.raw
        return reply.json

    async def esim(self, **line: Any) -> str:
        """The ICCID of a new eSIM."""
        return str((await self.buy(**line))["order"][0]["iccids"][0])


Play = Callable[..., Awaitable[Client]]


@pytest.fixture
async def play() -> AsyncIterator[Play]:
    """Starts sandboxes with switches and settings of the test's choice."""
    started: list[Running] = []
    async with aiohttp.ClientSession() as http:

        async def begin(settings: dict[str, Any] | None = None, **switches: Any) -> Client:
            chosen = Switches(**{"tokens_per_second": 0, **switches})
            running = await start(Settings(port=0, switches=chosen, **(settings or {})))
            started.append(running)
            return Client(running, http)

        yield begin
    for running in started:
        await running.stop()


@pytest.fixture
async def client(play: Play) -> Client:
    """A sandbox with every switch at its default but the rate limit, which is off."""
    return await play()
