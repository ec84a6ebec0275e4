"""The webhook process alone, and with the esims service as receiver of its events."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest

import services.esims.__main__
from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2, esims_pb2_grpc
from tests.component.esims.running import BUNDLE, buy, registration
from tests.fixtures.free_ports import free_ports
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth, ProviderSandbox, Serving
from tests.fixtures.settings import esims_settings, webhook_settings
from webhooks.__main__ import serve
from webhooks.settings import Settings

KEY = "webhook-signing-key"
NOBODY_LISTENS = "127.0.0.1:1"


def sign(body: bytes, key: str = KEY) -> dict[str, str]:
    digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Signature-SHA256": digest}


@pytest.fixture
def settings(databases: Databases, auth: Auth) -> Settings:
    return webhook_settings(
        databases,
        auth,
        keys=(KEY, "the-key-before"),
        esims_address=NOBODY_LISTENS,
        orders_address=NOBODY_LISTENS,
    )


@dataclass(slots=True)
class Post:
    """A client of the webhook process, with its database."""

    url: str
    http: aiohttp.ClientSession
    databases: Databases

    async def send(self, body: Any) -> str:
        """Post a signed callback and return the id of its event."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(self.url, data=raw, headers=sign(raw)) as answer:
            assert answer.status == 200, await answer.text()
            return str((await answer.json())["id"])

    async def delivery(self, event_id: str) -> Any:
        return await self.databases.admin.fetchrow(
            "select * from webhooks.deliveries where event_id = $1", event_id
        )

    async def settled(self, event_id: str, state: str = "DELIVERED") -> Any:
        """Wait until the delivery has that state and return its row."""
        return await self.until(event_id, lambda row: row["state"] == state)

    async def until(self, event_id: str, holds: Callable[[Any], bool]) -> Any:
        """Wait until the condition holds for the delivery and return its row."""
        row = None
        try:
            async with asyncio.timeout(PATIENCE):
                while not holds(row := await self.delivery(event_id)):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"the delivery stays as {dict(row or {})}") from None
        return row

    async def deliver(self, body: Any) -> Any:
        """Send a callback and wait until its service has the event."""
        return await self.settled(await self.send(body))


@dataclass(slots=True)
class Platform:
    """The webhook process and the esims service, with a customer's eSIM."""

    post: Post
    provider: ProviderSandbox
    auth: Auth
    stub: Any
    databases: Databases
    admin_port: int = 0

    async def esim(self, bundle: str = BUNDLE) -> esims_pb2.ESIM:
        """Buy at the provider and register; the bundles have not been read."""
        delivered = await buy(self.provider, bundle, 1)
        customer = await self.auth.user_id("ada@example.com")
        answer = await rpc_client.call(
            self.stub.RegisterESIMs,
            registration(delivered, customer),
            token=self.auth.service_role_key,
            timeout=PATIENCE,
        )
        esim: esims_pb2.ESIM = answer.esims[0]
        return esim

    async def row(self, esim: esims_pb2.ESIM) -> Any:
        return await self.databases.admin.fetchrow(
            "select * from esims.esims where iccid = $1", esim.iccid
        )

    async def bundles(self, esim: esims_pb2.ESIM) -> list[Any]:
        return list(
            await self.databases.admin.fetch(
                "select b.* from esims.esim_bundles b join esims.esims e on e.id = b.esim_id"
                " where e.iccid = $1 order by b.assignment_id",
                esim.iccid,
            )
        )

    async def read(self, esim: esims_pb2.ESIM) -> None:
        """Make the service refresh the eSIM's bundles."""
        await rpc_client.call(
            self.stub.BatchListBundles,
            esims_pb2.BatchListBundlesRequest(esim_ids=[esim.id]),
            token=self.auth.service_role_key,
            timeout=PATIENCE,
        )


ServeESIMs = Callable[..., AbstractAsyncContextManager[int]]


@pytest.fixture
def serve_esims(
    databases: Databases, auth: Auth, provider: ProviderSandbox, serving: Serving
) -> ServeESIMs:
    """Run the esims service, on the given port if any; yields the port."""

    def started(port: int = 0) -> AbstractAsyncContextManager[int]:
        settings = esims_settings(databases, auth, provider, port)
        return serving(services.esims.__main__.serve, settings)

    return started


ServeWebhooks = Callable[..., AbstractAsyncContextManager[Post]]


@pytest.fixture
def serve_webhooks(
    settings: Settings, databases: Databases, http: aiohttp.ClientSession, serving: Serving
) -> ServeWebhooks:
    """Run the webhook process with some settings changed."""

    @asynccontextmanager
    async def started(**changes: Any) -> AsyncIterator[Post]:
        async with serving(serve, replace(settings, **changes)) as port:
            yield Post(f"http://127.0.0.1:{port}/webhooks/esim-go", http, databases)

    return started


OpenESIMs = Callable[[], AbstractAsyncContextManager[tuple[Platform, int]]]


@pytest.fixture
def open_esims(
    databases: Databases,
    auth: Auth,
    provider: ProviderSandbox,
    http: aiohttp.ClientSession,
    serve_esims: ServeESIMs,
) -> OpenESIMs:
    """Run the esims service without a webhook process; yields the port too."""

    @asynccontextmanager
    async def started() -> AsyncIterator[tuple[Platform, int]]:
        async with serve_esims() as port, rpc_client.channel(f"127.0.0.1:{port}") as channel:
            stub = esims_pb2_grpc.ESIMsServiceStub(channel)
            yield Platform(Post("", http, databases), provider, auth, stub, databases), port

    return started


@pytest.fixture
async def platform(open_esims: OpenESIMs, serve_webhooks: ServeWebhooks) -> AsyncIterator[Platform]:
    (admin_port,) = free_ports(1)
    async with (
        open_esims() as (esims, port),
        serve_webhooks(esims_address=f"127.0.0.1:{port}", admin_port=admin_port) as post,
    ):
        yield replace(esims, post=post, admin_port=admin_port)


@pytest.fixture
async def url(serve_webhooks: ServeWebhooks) -> AsyncIterator[str]:
    async with serve_webhooks() as post:
        yield post.url
