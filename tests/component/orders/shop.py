"""The orders service with the real sandbox, a real PostgreSQL, and stand-ins for its two peers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import grpc
import pytest

import sandbox.server
from kit.values import money
from protos.catalogue.v1 import prices_pb2_grpc
from protos.changes.v1 import changes_pb2_grpc
from protos.esims.v1 import esims_pb2_grpc, travelers_pb2_grpc
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from providers.esim_go.client import ProviderSettings
from sandbox.settings import Settings as SandboxSettings
from sandbox.switches import Switches
from services.orders.__main__ import serve
from services.orders.purchase import claim_store
from services.orders.settings import Settings
from tests.component.orders.stand_ins import (
    CatalogueStandIn,
    ChangesStandIn,
    ESIMsStandIn,
    TravelersStandIn,
)
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth, Serving
from tests.fixtures.settings import service_settings

Metadata = tuple[tuple[str, str], ...]


class Patient(grpc.aio.UnaryUnaryClientInterceptor):
    """Sets a generous deadline for calls without one: the service's default is for faster machines."""

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        if details.timeout is None:
            details = details._replace(timeout=PATIENCE)
        return await continuation(details, request)


def patient_channel(port: int) -> grpc.aio.Channel:
    """Return a channel to a service of this machine whose calls have a generous deadline."""
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", interceptors=[Patient()])


@dataclass
class Shop:
    """One orders service with everything around it, and the settings to start it."""

    sandbox: sandbox.server.Running
    catalogue: CatalogueStandIn
    esims: ESIMsStandIn
    travelers: TravelersStandIn
    databases: Databases
    auth: Auth
    http: aiohttp.ClientSession
    settings: Settings
    serving: Serving

    @property
    def plan_id(self) -> str:
        return next(i for i, b in self.catalogue.bundles.items() if not b.autostart)

    @asynccontextmanager
    async def channel(self, **changes: Any) -> AsyncIterator[grpc.aio.Channel]:
        """Run the service with some settings changed."""
        async with (
            self.serving(serve, replace(self.settings, **changes)) as port,
            patient_channel(port) as channel,
        ):
            yield channel

    @asynccontextmanager
    async def open(self, **changes: Any) -> AsyncIterator["orders_pb2_grpc.OrdersServiceAsyncStub"]:
        """Run the service with some settings changed, and yield the stub of the orders service."""
        async with self.channel(**changes) as channel:
            yield orders_pb2_grpc.OrdersServiceStub(channel)

    async def session(
        self, email: str, *, admin: bool = False, role: str | None = None
    ) -> Metadata:
        token = await self.auth.token(email, admin=admin, role=role)
        return (("authorization", f"Bearer {token}"),)

    @property
    def service_key(self) -> Metadata:
        return (("authorization", f"Bearer {self.auth.service_role_key}"),)

    async def control(self, path: str, /, **body: Any) -> Any:
        """POST to the sandbox's admin API."""
        async with self.http.post(f"{self.sandbox.control_url}/{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def fault(self, **wanted: Any) -> None:
        await self.control("faults", **wanted)

    @property
    def charges(self) -> int:
        return sum(entry.kind == "order" for entry in self.sandbox.world.ledger)

    async def row(self, order_id: str) -> Any:
        return await self.databases.admin.fetchrow(
            "select * from orders.esim_orders where id = $1::text::uuid", order_id
        )

    async def stored_status(self, order_id: str) -> str:
        return str((await self.row(order_id))["status"])


@pytest.fixture
async def shop(
    databases: Databases,
    auth: Auth,
    http: aiohttp.ClientSession,
    serving: Serving,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Shop]:
    """A shop whose orders service isn't started yet."""
    # On a slow machine, several clicks at once may take longer than a customer's double click.
    monkeypatch.setattr(claim_store, "DUPLICATE_WINDOW", timedelta(seconds=PATIENCE))
    switches = Switches(tokens_per_second=0, async_seconds=0)
    running = await sandbox.server.start(SandboxSettings(port=0, switches=switches))
    # Otherwise another test's server may share the port and take half of the calls.
    # The service pings it while it waits for changes.
    pings = ("grpc.http2.min_ping_interval_without_data_ms", 2_000)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), pings])
    catalogue, esims = (
        CatalogueStandIn(running),  # type: ignore[abstract] # the other methods answer UNIMPLEMENTED
        ESIMsStandIn(),  # type: ignore[abstract] # the same
    )
    travelers = TravelersStandIn()  # type: ignore[abstract] # the same
    changes_pb2_grpc.add_ChangesServiceServicer_to_server(ChangesStandIn(), server)
    travelers_pb2_grpc.add_TravelersServiceServicer_to_server(travelers, server)
    prices_pb2_grpc.add_PricesServiceServicer_to_server(catalogue, server)
    esims_pb2_grpc.add_ESIMsServiceServicer_to_server(esims, server)
    peers = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    settings = Settings(
        service=service_settings(databases, auth, "orders"),
        provider=ProviderSettings(running.url, "sandbox-api-key", timeout=PATIENCE),
        catalogue_address=peers,
        esims_address=peers,
        peer_wait=PATIENCE,  # a slow machine is not a failure
        purchase_wait=PATIENCE,
        settling=0.5,
        price_ttl=3600.0,  # faults at POST /orders are meant for purchases
        price_holds=PATIENCE,  # the same, however slow the machine is
        recovery_every=0.1,
        propagation_wait=PATIENCE,
    )
    yield Shop(running, catalogue, esims, travelers, databases, auth, http, settings, serving)
    await server.stop(None)
    await running.stop()


def request(shop: Shop, **changes: Any) -> orders_pb2.CreateOrderRequest:
    fields: dict[str, Any] = {"plan_id": shop.plan_id, "quantity": 1, "idempotency_key": "key-1"}
    return orders_pb2.CreateOrderRequest(**(fields | changes))


async def outcomes(shop: Shop) -> list[str]:
    """Return the outcomes of all purchase attempts, oldest first."""
    rows = await shop.databases.admin.fetch(
        "select outcome from orders.order_attempts order by started_at"
    )
    return [row["outcome"] for row in rows]


async def reaches(shop: Shop, order_id: str, status: str) -> None:
    await shop.databases.until(
        "select status = $2 from orders.esim_orders where id = $1::text::uuid", order_id, status
    )


async def is_explained(shop: Shop, order_id: str, text: str) -> None:
    """Wait until the order's status reason contains the text."""
    await shop.databases.until(
        "select strpos(status_reason, $2) > 0 from orders.esim_orders where id = $1::text::uuid",
        order_id,
        text,
    )


def usd(amount: str) -> Any:
    return money.to_proto(Decimal(amount), "USD")


def price(shop: Shop) -> Decimal:
    return Decimal(str(shop.catalogue.bundles[shop.plan_id].price))


async def orders_recorded(shop: Shop) -> int:
    return int(await shop.databases.admin.fetchval("select count(*) from orders.esim_orders"))


async def steps(shop: Shop, orders: Any, order_id: str) -> list[str]:
    answer = await orders.GetOrderHistory(
        orders_pb2.GetOrderHistoryRequest(order_id=order_id), metadata=shop.service_key
    )
    return [step.reason for step in answer.steps]


def incompatible_plans(shop: Shop) -> tuple[str, str]:
    """Return the names of two plans that fit different eSIMs; both start at first use."""
    bundles = [b for b in shop.catalogue.bundles.values() if not b.autostart]
    other = next(b for b in bundles if b.profile != bundles[0].profile)
    return bundles[0].name, other.name
