"""The gRPC server of every service from its start to its end."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from kit.auth.sessions import Verifier
from kit.errors import StartError
from kit.rpc import client as rpc_client
from kit.rpc.guard import Service
from kit.rpc.limits import Limits
from kit.rpc.server import Running, start
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.component.kit.rpc.probe import ACCESS, DESCRIPTOR, Probe
from tests.fixtures.patience import PATIENCE
from tests.fixtures.rpc.health import SERVING, health
from tests.fixtures.sandboxes import Auth


async def test_reflection_and_health_need_no_session(
    channel: grpc.aio.Channel, running: Running
) -> None:
    assert await health(channel, "orders.v1.OrdersService") == SERVING
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    reflecting: Any = reflection_pb2_grpc.ServerReflectionStub
    stream = reflecting(channel).ServerReflectionInfo(iter([ask]))
    names = {s.name async for a in stream for s in a.list_services_response.service}
    assert {"orders.v1.OrdersService", "grpc.health.v1.Health"} <= names


async def test_connections_are_limited_to_what_the_system_allows(
    verifier: Verifier, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(DESCRIPTOR, lambda server: None, ACCESS)
    limits = Limits(connections=10_000_000)
    server = await start(service, host="127.0.0.1", port=0, verifier=verifier, limits=limits)
    await server.stop(drain=0, grace=0)
    assert "because the limit of open files is" in caplog.text


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
