"""The gRPC server of every service: sessions, deadlines, errors, health, reflection, draining."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from kit.auth.sessions import Role, Verifier
from kit.errors import Failure, Kind, StartError
from kit.logs import request_id
from kit.rpc import client as rpc_client
from kit.rpc import guard as rpc_guard
from kit.rpc.guard import Access, Service
from kit.rpc.server import Running, start
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.fixtures.health import SERVING, health
from tests.fixtures.neighbours import Auth
from tests.fixtures.patience import PATIENCE

DESCRIPTOR = orders_pb2.DESCRIPTOR.services_by_name["OrdersService"]
ACCESS = dict.fromkeys((m.name for m in DESCRIPTOR.methods), Access.SIGNED_IN) | {
    "CancelOrder": Access.ADMIN,
    "ListOrders": Access.SERVICE,
    "BatchGetOrders": Access.SUPPORT,
    "QuoteOrder": Access.FINANCE,
    "ValidateOrder": Access.PUBLIC,
}
Behaviour = Callable[[], Awaitable[None]]


class Probe(orders_pb2_grpc.OrdersServiceServicer):
    """A servicer whose behavior the test sets."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = self.nothing
        self.roles: list[Role] = []
        self.left: float | None = None
        self.request_ids: list[str] = []

    async def nothing(self) -> None:
        """The usual behaviour."""

    async def _answer(self) -> None:
        self.roles.append(rpc_guard.session().role)
        self.left = rpc_guard.time_left()
        self.request_ids.append(request_id.current())
        await self.behaviour()

    async def GetOrder(self, request: Any, context: Any) -> orders_pb2.GetOrderResponse:
        await self._answer()
        return orders_pb2.GetOrderResponse(order=orders_pb2.Order(id=request.order_id))

    async def CancelOrder(self, request: Any, context: Any) -> orders_pb2.CancelOrderResponse:
        await self._answer()
        return orders_pb2.CancelOrderResponse()

    async def ListOrders(self, request: Any, context: Any) -> orders_pb2.ListOrdersResponse:
        await self._answer()
        return orders_pb2.ListOrdersResponse()

    async def BatchGetOrders(self, request: Any, context: Any) -> orders_pb2.BatchGetOrdersResponse:
        await self._answer()
        return orders_pb2.BatchGetOrdersResponse()

    async def QuoteOrder(self, request: Any, context: Any) -> orders_pb2.QuoteOrderResponse:
        await self._answer()
        return orders_pb2.QuoteOrderResponse()

    async def ValidateOrder(self, request: Any, context: Any) -> orders_pb2.ValidateOrderResponse:
        await self._answer()
        return orders_pb2.ValidateOrderResponse()


@pytest.fixture
def probe() -> Probe:
    return Probe()  # type: ignore[abstract] # the other methods answer UNIMPLEMENTED


@pytest.fixture
async def verifier(auth: Auth, http: aiohttp.ClientSession) -> Verifier:
    return Verifier(supabase_url=auth.url, service_role_key=auth.service_role_key, http=http)


@pytest.fixture
async def running(probe: Probe, verifier: Verifier) -> AsyncIterator[Running]:
    def add(server: grpc.aio.Server) -> None:
        orders_pb2_grpc.add_OrdersServiceServicer_to_server(probe, server)

    service = Service(DESCRIPTOR, add, ACCESS)
    server = await start(service, host="127.0.0.1", port=0, verifier=verifier)
    yield server
    await server.stop(drain=0, grace=1)


@pytest.fixture
async def channel(running: Running) -> AsyncIterator[grpc.aio.Channel]:
    async with rpc_client.channel(f"127.0.0.1:{running.port}") as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> "orders_pb2_grpc.OrdersServiceAsyncStub":
    return orders_pb2_grpc.OrdersServiceStub(channel)


async def refused(method: Any, token: str | None, request: Any = None) -> Failure:
    with pytest.raises(Failure) as caught:
        await rpc_client.call(
            method, request or orders_pb2.GetOrderRequest(), token=token, timeout=PATIENCE
        )
    return caught.value


async def test_without_a_session_the_error_names_the_missing_credentials(
    stub: Any, probe: Probe
) -> None:
    failure = await refused(stub.GetOrder, None)
    assert failure.kind is Kind.UNAUTHENTICATED
    assert failure.message.startswith("Not authenticated")
    assert "authorization" in failure.message
    assert probe.roles == []


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."])
async def test_a_bad_token_is_refused_even_by_public_methods(
    stub: Any, probe: Probe, token: str
) -> None:
    failure = await refused(stub.ValidateOrder, token, orders_pb2.ValidateOrderRequest())
    assert failure.kind is Kind.UNAUTHENTICATED
    assert probe.roles == []


async def test_each_role_can_call_only_its_methods(stub: Any, probe: Probe, auth: Auth) -> None:
    customer = await auth.token("customer@example.com")
    support, finance, admin = [
        await auth.token(f"{role}@example.com", role=role)
        for role in ("support", "finance", "admin")
    ]
    operators: set[str | None] = {admin, "service"}
    staff: set[str | None] = {support, finance, *operators}
    calls: dict[Any, tuple[Any, set[str | None]]] = {
        stub.ValidateOrder: (orders_pb2.ValidateOrderRequest(), {None, customer, *staff}),
        stub.GetOrder: (orders_pb2.GetOrderRequest(), {customer, *staff}),
        stub.BatchGetOrders: (orders_pb2.BatchGetOrdersRequest(), staff),
        stub.QuoteOrder: (orders_pb2.QuoteOrderRequest(), {finance, *operators}),
        stub.CancelOrder: (orders_pb2.CancelOrderRequest(), operators),
        stub.ListOrders: (orders_pb2.ListOrdersRequest(), {"service"}),
    }
    for method, (request, allowed) in calls.items():
        for who in (None, customer, *staff):
            token = auth.service_role_key if who == "service" else who
            if who in allowed:
                await rpc_client.call(method, request, token=token, timeout=PATIENCE)
            else:
                kind = (await refused(method, token, request)).kind
                assert kind is (Kind.FORBIDDEN if who else Kind.UNAUTHENTICATED)


async def test_a_failure_reaches_the_client_with_all_its_fields(
    stub: Any, probe: Probe, auth: Auth
) -> None:
    sent = Failure(
        Kind.REFUSED,
        "PLAN_UNAVAILABLE",
        "This plan is no longer sold",
        fields={"plan_id": "is withdrawn"},
        retry_after=1.5,
        details={"plan": "esim_1GB_7D_GB_V2"},
    )

    async def fail() -> None:
        raise sent

    probe.behaviour = fail
    failure = await refused(stub.GetOrder, auth.service_role_key)
    assert vars(failure) == vars(sent)


async def test_an_unexpected_error_is_masked_and_logged_with_its_id(
    stub: Any, probe: Probe, auth: Auth, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise RuntimeError("password=hunter2")

    probe.behaviour = fail
    failure = await refused(stub.GetOrder, auth.service_role_key)
    assert failure.kind is Kind.INTERNAL
    assert "hunter2" not in str(vars(failure))
    assert failure.details["fault_id"] in failure.message
    assert failure.details["fault_id"] in caplog.text


async def test_undecodable_bytes_are_bad_input(channel: grpc.aio.Channel, auth: Auth) -> None:
    method: Any = channel.unary_unary("/orders.v1.OrdersService/GetOrder")
    failure = await refused(method, auth.service_role_key, b"\xff\xff\xff")
    assert (failure.kind, failure.reason) == (Kind.INVALID, "UNDECODABLE_REQUEST")


async def test_the_handler_knows_the_clients_deadline(stub: Any, probe: Probe, auth: Auth) -> None:
    await rpc_client.call(
        stub.GetOrder, orders_pb2.GetOrderRequest(), token=auth.service_role_key, timeout=20
    )
    assert probe.left is not None
    # gRPC rounds a deadline up slightly; without one it would be DEFAULT_DEADLINE.
    assert 0 < probe.left < 20.5


async def test_a_call_without_a_deadline_gets_the_default(
    stub: Any, probe: Probe, auth: Auth
) -> None:
    metadata = (("authorization", f"Bearer {auth.service_role_key}"),)
    await stub.GetOrder(orders_pb2.GetOrderRequest(), metadata=metadata)
    assert probe.left is not None
    assert 0 < probe.left <= rpc_guard.DEFAULT_DEADLINE


async def test_reflection_and_health_need_no_session(
    channel: grpc.aio.Channel, running: Running
) -> None:
    assert await health(channel, "orders.v1.OrdersService") == SERVING
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    reflecting: Any = reflection_pb2_grpc.ServerReflectionStub
    stream = reflecting(channel).ServerReflectionInfo(iter([ask]))
    names = {s.name async for a in stream for s in a.list_services_response.service}
    assert {"orders.v1.OrdersService", "grpc.health.v1.Health"} <= names


async def test_a_stop_reports_not_serving_and_completes_running_calls(
    stub: Any, channel: grpc.aio.Channel, running: Running, probe: Probe, auth: Auth
) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        entered.set()
        await leave.wait()

    probe.behaviour = wait
    healthy: Any = health_pb2_grpc.HealthStub(channel)
    watch = healthy.Watch(health_pb2.HealthCheckRequest(service=""))
    statuses = aiter(watch)
    assert (await anext(statuses)).status == health_pb2.HealthCheckResponse.SERVING
    call = asyncio.ensure_future(
        rpc_client.call(
            stub.GetOrder,
            orders_pb2.GetOrderRequest(order_id="1"),
            token=auth.service_role_key,
            timeout=PATIENCE,
        )
    )
    await entered.wait()
    stopping = asyncio.ensure_future(running.stop(drain=0, grace=PATIENCE))
    assert (await anext(statuses)).status == health_pb2.HealthCheckResponse.NOT_SERVING
    leave.set()
    assert (await call).order.id == "1"
    watch.cancel()
    await stopping


def test_a_method_without_declared_access_is_not_served() -> None:
    with pytest.raises(ValueError, match="CancelOrder"):
        Service(DESCRIPTOR, lambda _: None, {k: v for k, v in ACCESS.items() if k != "CancelOrder"})


async def test_a_port_in_use_is_named_in_the_error(running: Running, verifier: Verifier) -> None:
    service = Service(DESCRIPTOR, lambda server: None, ACCESS)
    with pytest.raises(StartError, match=f"ORDERS_PORT: port {running.port} is in use"):
        await start(
            service, host="127.0.0.1", port=running.port, verifier=verifier, settings="ORDERS"
        )


async def test_a_connection_at_its_maximum_age_closes_and_the_client_reconnects(
    probe: Probe, verifier: Verifier
) -> None:
    service = Service(
        DESCRIPTOR,
        lambda server: orders_pb2_grpc.add_OrdersServiceServicer_to_server(probe, server),
        ACCESS,
    )
    server = await start(service, host="127.0.0.1", port=0, verifier=verifier, connection_age=0.2)
    async with rpc_client.channel(f"127.0.0.1:{server.port}") as channel:
        stub = orders_pb2_grpc.OrdersServiceStub(channel)
        for _ in range(2):
            await rpc_client.call(
                stub.ValidateOrder, orders_pb2.ValidateOrderRequest(), token=None, timeout=PATIENCE
            )
            async with asyncio.timeout(PATIENCE):
                await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
    await server.stop(drain=0, grace=0)


@pytest.mark.parametrize(("sent", "there"), [("r-1", "r-1"), ("two\nlines", ""), ("", "")])
async def test_a_call_carries_the_request_id(
    stub: Any, probe: Probe, auth: Auth, sent: str, there: str
) -> None:
    request_id.adopt(sent)
    await rpc_client.call(
        stub.ValidateOrder, orders_pb2.ValidateOrderRequest(), token=None, timeout=PATIENCE
    )
    assert probe.request_ids == [there]


async def test_a_malformed_request_id_is_ignored(stub: Any, probe: Probe) -> None:
    await stub.ValidateOrder(
        orders_pb2.ValidateOrderRequest(), metadata=(("x-request-id", "a b"),), timeout=PATIENCE
    )
    assert probe.request_ids == [""]
