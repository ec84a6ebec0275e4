"""The orders service with the real sandbox, a real PostgreSQL, and stand-ins for its two peers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import aiohttp
import grpc
import pytest

import sandbox.server
from kit.errors import Failure, Kind
from kit.rpc.errors import from_error, to_status
from kit.values import money, timestamps
from protos.catalogue.v1 import catalogue_pb2, prices_pb2, prices_pb2_grpc
from protos.esims.v1 import esims_pb2, esims_pb2_grpc
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from providers.esim_go.client import ProviderSettings
from sandbox.settings import Settings as SandboxSettings
from sandbox.switches import Switches
from services.orders.__main__ import serve
from services.orders.settings import Settings
from tests.fixtures.neighbours import Auth, Serving
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.settings import service_settings

AWAY = Failure(Kind.UNAVAILABLE, "SERVICE_UNAVAILABLE", "away")
Metadata = tuple[tuple[str, str], ...]

PLANS = UUID("00000000-0000-0000-0000-00000000cafe")


class CatalogueStandIn(prices_pb2_grpc.PricesServiceServicer):
    """Plans of the sandbox's catalogue by id; those in `withdrawn` are not on sale."""

    def __init__(self, running: sandbox.server.Running) -> None:
        self.bundles = {str(uuid5(PLANS, b.name)): b for b in running.world.catalogue.all()}
        self.withdrawn: set[str] = set()
        self.tokens: list[str] = []
        self.confirmed_at = datetime.now(UTC)
        self.stored_price: Decimal | None = None  # overrides the sandbox's price
        # Changes each answer, such as its price list.
        self.adjust: Callable[[prices_pb2.QuotePlanResponse], None] = lambda answer: None

    async def QuotePlan(self, request: Any, context: Any) -> prices_pb2.QuotePlanResponse:
        self.tokens += [str(v) for k, v in context.invocation_metadata() if k == "authorization"]
        bundle = self.bundles.get(request.plan_id)
        if bundle is None:
            missing = Failure(Kind.NOT_FOUND, "ANY_PLAN_NOT_FOUND", "no such plan")
            await context.abort_with_status(to_status(missing))
            raise AssertionError("abort raises")
        gone = request.plan_id in self.withdrawn
        cost = money.to_proto(self.stored_price or bundle.price, "USD")
        answer = prices_pb2.QuotePlanResponse(
            plan=catalogue_pb2.DataPlan(
                id=request.plan_id,
                name=bundle.name,
                price=cost,
                available_quantity=0 if gone else 10,
                withdrawn=gone,
            ),
            confirmed_at=timestamps.to_proto(self.confirmed_at),
            terms=prices_pb2.PriceTerms(cost=cost),
        )
        self.adjust(answer)
        return answer


class ESIMsStandIn(esims_pb2_grpc.ESIMsServiceServicer):
    """Records the registrations and cancellations, or answers with `failure`."""

    def __init__(self) -> None:
        self.registered: dict[str, esims_pb2.RegisterESIMsRequest] = {}
        self.cancelled: list[str] = []
        self.partly_cancelled: list[tuple[str, list[str]]] = []
        self.tokens: set[str] = set()
        self.suspended: list[str] = []
        self.bundles: list[esims_pb2.ESIMBundle] = []
        self.failure: Failure | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        # ICCIDs; other eSIMs are on no device, and their bundles unused.
        self.installed: set[str] = set()
        self.used: set[str] = set()
        self.reads = 0

    async def BatchListOrderESIMs(
        self, request: Any, context: Any
    ) -> esims_pb2.BatchListOrderESIMsResponse:
        await self._take(context)
        self.reads += 1
        return esims_pb2.BatchListOrderESIMsResponse(
            esims=[
                esims_pb2.ESIM(
                    id=str(uuid5(PLANS, esim.iccid)),
                    iccid=esim.iccid,
                    order_id=order_id,
                    profile_status="Installed" if esim.iccid in self.installed else "Released",
                )
                for order_id in request.order_ids
                if order_id in self.registered
                for esim in self.registered[order_id].esims
            ]
        )

    async def BatchListBundles(
        self, request: Any, context: Any
    ) -> esims_pb2.BatchListBundlesResponse:
        await self._take(context)
        self.reads += 1
        if self.bundles:
            return esims_pb2.BatchListBundlesResponse(bundles=self.bundles)
        names = {
            str(uuid5(PLANS, esim.iccid)): order.bundle_name
            for order in self.registered.values()
            for esim in order.esims
        }
        used = {str(uuid5(PLANS, iccid)) for iccid in self.used}
        return esims_pb2.BatchListBundlesResponse(
            bundles=[
                esims_pb2.ESIMBundle(
                    esim_id=id_,
                    name=names.get(id_, ""),
                    state=esims_pb2.BUNDLE_STATE_ACTIVE
                    if id_ in used
                    else esims_pb2.BUNDLE_STATE_INACTIVE,
                )
                for id_ in request.esim_ids
            ]
        )

    async def RegisterESIMs(self, request: Any, context: Any) -> esims_pb2.RegisterESIMsResponse:
        await self._take(context)
        self.registered[request.order_id] = request
        return esims_pb2.RegisterESIMsResponse()

    async def CancelOrderBundles(
        self, request: Any, context: Any
    ) -> esims_pb2.CancelOrderBundlesResponse:
        await self._take(context)
        if request.iccids:
            self.partly_cancelled.append((request.order_reference, list(request.iccids)))
        else:
            self.cancelled.append(request.order_id)
        return esims_pb2.CancelOrderBundlesResponse()

    async def SuspendESIM(self, request: Any, context: Any) -> esims_pb2.SuspendESIMResponse:
        await self._take(context)
        self.suspended.append(request.esim_id)
        return esims_pb2.SuspendESIMResponse()

    async def _take(self, context: Any) -> None:
        self.tokens |= {str(v) for k, v in context.invocation_metadata() if k == "authorization"}
        await self.may_answer.wait()
        if self.failure is not None:
            await context.abort_with_status(to_status(self.failure))


class Patient(grpc.aio.UnaryUnaryClientInterceptor):
    """Sets a generous deadline for calls without one: the service's default is for faster machines."""

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        if details.timeout is None:
            details = details._replace(timeout=PATIENCE)
        return await continuation(details, request)


@dataclass
class Shop:
    """One orders service with everything around it, and the settings to start it."""

    sandbox: sandbox.server.Running
    catalogue: CatalogueStandIn
    esims: ESIMsStandIn
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
            grpc.aio.insecure_channel(f"localhost:{port}", interceptors=[Patient()]) as channel,
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
    databases: Databases, auth: Auth, http: aiohttp.ClientSession, serving: Serving
) -> AsyncIterator[Shop]:
    """A shop whose orders service isn't started yet."""
    switches = Switches(tokens_per_second=0, async_seconds=0)
    running = await sandbox.server.start(SandboxSettings(port=0, switches=switches))
    # Otherwise another test's server may share the port and take half of the calls.
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    catalogue, esims = (
        CatalogueStandIn(running),  # type: ignore[abstract] # the other methods answer UNIMPLEMENTED
        ESIMsStandIn(),  # type: ignore[abstract] # the same
    )
    prices_pb2_grpc.add_PricesServiceServicer_to_server(catalogue, server)
    esims_pb2_grpc.add_ESIMsServiceServicer_to_server(esims, server)
    peers = f"localhost:{server.add_insecure_port('localhost:0')}"
    await server.start()
    settings = Settings(
        service=service_settings(databases, auth, "orders", host="localhost"),
        provider=ProviderSettings(running.url, "sandbox-api-key", timeout=PATIENCE),
        catalogue_address=peers,
        esims_address=peers,
        peer_wait=PATIENCE,  # a slow machine is not a failure
        purchase_wait=PATIENCE,
        settling=0.5,
        price_ttl=3600.0,  # faults at POST /orders are meant for purchases
        price_holds=PATIENCE,  # the same, however slow the machine is
        recovery_every=0.1,
    )
    yield Shop(running, catalogue, esims, databases, auth, http, settings, serving)
    await server.stop(None)
    await running.stop()


def reason_of(error: grpc.aio.AioRpcError) -> str:
    return from_error(error).reason


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
