"""The official library, connected to the sandbox, and a webhook endpoint that records events."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import stripe
from aiohttp import web

from tests.fixtures.patience import PATIENCE
from tests.fixtures.payments import PaymentSandbox


def make_client(
    provider: PaymentSandbox,
    *,
    key: str | None = None,
    timeout: float = PATIENCE,
    retries: int = 0,
) -> stripe.StripeClient:
    """Return the library's client for a sandbox."""
    return stripe.StripeClient(
        key or provider.secret_key,
        base_addresses={"api": provider.url, "files": provider.url},
        http_client=stripe.AIOHTTPClient(session=provider.http, timeout=timeout),
        max_network_retries=retries,
    )


@pytest.fixture
def client(payment_provider: PaymentSandbox) -> stripe.StripeClient:
    return make_client(payment_provider)


@dataclass
class Endpoint:
    """A webhook endpoint; `statuses` are its next answers, and 200 follows."""

    url: str = ""
    received: list[tuple[bytes, Mapping[str, str]]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        self.received.append((await request.read(), request.headers.copy()))
        self.arrived.set()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    def events(self, secret: str) -> list[Any]:
        """Return the received events after the library has verified their signatures."""
        return [
            stripe.Webhook.construct_event(body, headers["Stripe-Signature"], secret)
            for body, headers in self.received
        ]

    def types(self, secret: str) -> list[str]:
        return [event.type for event in self.events(secret)]


@pytest.fixture
async def endpoint(payment_provider: PaymentSandbox) -> AsyncIterator[Endpoint]:
    """A running endpoint that the sandbox sends its events to."""
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_post("/hook", endpoint.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await payment_provider.control("POST", "/webhooks", {"url": endpoint.url})
    yield endpoint
    await payment_provider.control("POST", "/webhooks", {"url": None})
    await runner.cleanup()


@pytest.fixture
async def raw(payment_provider: PaymentSandbox) -> AsyncIterator[aiohttp.ClientSession]:
    """A plain HTTP session with the secret key."""
    headers = {"Authorization": f"Bearer {payment_provider.secret_key}"}
    async with aiohttp.ClientSession(payment_provider.url, headers=headers) as session:
        yield session
