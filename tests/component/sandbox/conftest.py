"""A sandbox on a free port, and a client for both of its APIs."""

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
    status: int
    headers: Any
    raw: bytes
    json: Any


@dataclass(frozen=True, slots=True)
class Client:
    """Calls a sandbox as a customer of the provider, and through its admin API."""

    running: Running
    http: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        """Call the provider API, with the valid key unless `key` says otherwise."""
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
        """Return the JSON of a GET that must succeed."""
        reply = await self.call("GET", path, **more)
        assert reply.status == 200, reply.raw
        return reply.json

    async def control(self, path: str, body: Any = None, method: str = "") -> Any:
        """Call the admin API; GET without a body, POST with one."""
        url = f"{self.running.control_url}/{path}"
        verb = method or ("GET" if body is None else "POST")
        async with self.http.request(verb, url, json=body) as answer:
            shown = await answer.json()
            assert answer.status == 200, shown
            return shown

    async def refused(self, path: str, body: Any, status: int = 400) -> str:
        """Return the message with which the admin API refuses."""
        url = f"{self.running.control_url}/{path}"
        async with self.http.post(url, json=body) as answer:
            assert answer.status == status
            return str((await answer.json())["message"])

    async def buy(self, quantity: int = 1, *, assign: bool = True, **line: Any) -> Any:
        """Place an order of one line and return the response."""
        item = {"type": "bundle", "quantity": quantity, "item": BUNDLE, **line}
        body = {"type": "transaction", "assign": assign, "order": [item]}
        reply = await self.call("POST", "/orders", body)
        assert reply.status == 200, reply.raw
        return reply.json

    async def esim(self, **line: Any) -> str:
        """Return the ICCID of a new eSIM."""
        return str((await self.buy(**line))["order"][0]["iccids"][0])


Play = Callable[..., Awaitable[Client]]


@pytest.fixture
async def play() -> AsyncIterator[Play]:
    """Start sandboxes with switches and settings of the test's choice."""
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
    """A sandbox with default switches, except that the rate limit is off."""
    return await play()
