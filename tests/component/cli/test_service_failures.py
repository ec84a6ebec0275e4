"""What operators' commands advise if a service refuses or fails."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from cli.config.access import Access
from cli.errors import CommandError
from cli.operators.service import connect
from kit.errors import Failure, Kind
from kit.net.tls import PLAIN
from kit.rpc.errors import to_status
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.fixtures.free_ports import free_ports

Ask = Callable[[grpc.Status | grpc.StatusCode | None], Awaitable[str]]
BUSY = Failure(Kind.UNAVAILABLE, "PAYMENT_PROVIDER_BUSY", "Stripe refuses calls; try again soon")


class Refusing(orders_pb2_grpc.OrdersServiceServicer):
    """A service that ends each call with one status."""

    status: Any = None

    async def GetOrder(self, request: Any, context: Any) -> Any:
        if isinstance(self.status, grpc.StatusCode):
            await context.abort(self.status, "words of a library")
        await context.abort_with_status(self.status)


@pytest.fixture
async def refusing() -> AsyncIterator[tuple[Refusing, int]]:
    server, servicer = grpc.aio.server(), Refusing()  # type: ignore[abstract] # one method is called
    orders_pb2_grpc.add_OrdersServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield servicer, port
    await server.stop(0)


async def advice(port: int) -> str:
    address = f"127.0.0.1:{port}"
    access = Access({"orders": address}, PLAIN, None, "", "", "service-role-key")
    async with connect(access, "orders", orders_pb2_grpc.OrdersServiceStub) as service:
        with pytest.raises(CommandError) as raised:
            await service.call("GetOrder", orders_pb2.GetOrderRequest())
    return str(raised.value)


async def test_a_service_that_can_not_be_reached_is_to_be_started() -> None:
    (port,) = free_ports(1)
    text = await advice(port)
    assert text.startswith(f"the orders service at 127.0.0.1:{port} is unavailable (")
    assert text.endswith("): start it first")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded; try again soon [SERVICE_OVERLOADED]"),
        (grpc.StatusCode.UNIMPLEMENTED, "try again when its upgrade is over [METHOD_UNKNOWN]"),
        (to_status(BUSY), "Stripe refuses calls; try again soon [PAYMENT_PROVIDER_BUSY]"),
    ],
    ids=["overloaded", "older", "its provider fails"],
)
async def test_a_service_that_refuses_a_call_is_not_to_be_started(
    refusing: tuple[Refusing, int], status: Any, text: str
) -> None:
    servicer, port = refusing
    servicer.status = status
    said = await advice(port)
    assert said.endswith(text)
    assert "start it" not in said
