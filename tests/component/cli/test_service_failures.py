"""What operators' commands advise if a service refuses or fails."""

from collections.abc import AsyncIterator
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

MALFORMED = Failure(
    Kind.UNAUTHENTICATED,
    "TOKEN_MALFORMED",
    "Not authenticated: the token is malformed; sign in again",
)
EXPIRED = Failure(
    Kind.UNAUTHENTICATED, "TOKEN_EXPIRED", "Not authenticated: the token has expired; sign in again"
)
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


async def advice(port: int, token: str | None = None) -> str:
    address = f"127.0.0.1:{port}"
    access = Access({"orders": address}, PLAIN, None, "", "", "service-role-key")
    stub = orders_pb2_grpc.OrdersServiceStub
    async with connect(access, "orders", stub, token=token) as service:
        with pytest.raises(CommandError) as raised:
            await service.call("GetOrder", orders_pb2.GetOrderRequest())
    return str(raised.value)


async def test_a_service_that_can_not_be_reached_is_to_be_started() -> None:
    (port,) = free_ports(1)
    text = await advice(port)
    assert text.startswith(f"the orders service at 127.0.0.1:{port} is unavailable (")
    assert text.endswith("): start it first")
    assert "ORDERS_ADDRESS" in text


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


async def test_a_service_role_key_that_is_not_accepted_is_to_be_corrected(
    refusing: tuple[Refusing, int],
) -> None:
    servicer, port = refusing
    servicer.status = to_status(MALFORMED)
    said = await advice(port)
    assert said == (
        f"the orders service at 127.0.0.1:{port} does not accept the service role key: set"
        " SUPABASE_SERVICE_ROLE_KEY to the one that it was started with"
    )


async def test_a_token_that_is_not_accepted_is_to_be_replaced(
    refusing: tuple[Refusing, int],
) -> None:
    servicer, port = refusing
    servicer.status = to_status(EXPIRED)
    said = await advice(port, "a-token")
    assert said.startswith("Not authenticated: the token has expired; sign in again")
    assert said.endswith("`esimgo token` prints a new token, for --token or ESIMGO_TOKEN")
