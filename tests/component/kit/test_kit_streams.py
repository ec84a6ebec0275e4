"""Streams of a gRPC server: session expiry, server stop, and cleanup."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import grpc
import pytest

from kit.auth.sessions import Verifier
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from kit.rpc import guard as rpc_guard
from kit.rpc.access import Access, Rule
from kit.rpc.guard import Service
from kit.rpc.server import Running, start
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.fixtures.patience import PATIENCE
from tests.fixtures.sandboxes import Auth
from tests.fixtures.stepped_clock import ManualClock

DESCRIPTOR = orders_pb2.DESCRIPTOR.services_by_name["OrdersService"]
ACCESS = {method.name: Rule(Access.SIGNED_IN) for method in DESCRIPTOR.methods}


class StreamServicer(orders_pb2_grpc.OrdersServiceServicer):
    """A servicer that sends one message and then waits for the test."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.ended = asyncio.Event()

    async def WatchOrder(
        self, request: orders_pb2.WatchOrderRequest, context: Any
    ) -> AsyncIterator[orders_pb2.WatchOrderResponse]:
        try:
            whose = str(rpc_guard.session().user_id)
            yield orders_pb2.WatchOrderResponse(order=orders_pb2.Order(customer_id=whose))
            await self.go_on.wait()
            raise Failure(Kind.NOT_FOUND, "ORDER_NOT_FOUND", "There is no such order")
        finally:
            self.ended.set()


@pytest.fixture
def clock() -> ManualClock[float]:
    return ManualClock(time.time())


@pytest.fixture
def servicer() -> StreamServicer:
    return StreamServicer()  # type: ignore[abstract]  # the rest stays as it was generated: unimplemented


@pytest.fixture
async def running(
    servicer: StreamServicer, clock: ManualClock[float], auth: Auth, http: aiohttp.ClientSession
) -> AsyncIterator[Running]:
    verifier = Verifier(
        supabase_url=auth.url, service_role_key=auth.service_role_key, http=http, clock=clock
    )

    def add(server: grpc.aio.Server) -> None:
        orders_pb2_grpc.add_OrdersServiceServicer_to_server(servicer, server)

    server = await start(
        Service(DESCRIPTOR, add, ACCESS), host="127.0.0.1", port=0, verifier=verifier
    )
    yield server
    await server.stop(drain=0, grace=0)


Watching = Callable[[str | None], AsyncIterator[orders_pb2.WatchOrderResponse]]


@pytest.fixture
async def watching(running: Running) -> AsyncIterator[Watching]:
    async with rpc_client.channel(f"127.0.0.1:{running.port}") as channel:
        stub = orders_pb2_grpc.OrdersServiceStub(channel)
        yield lambda token: rpc_client.stream(
            stub.WatchOrder, orders_pb2.WatchOrderRequest(order_id="1"), token=token
        )


async def test_a_stream_has_its_session_and_its_failure_reaches_the_client(
    watching: Watching, servicer: StreamServicer, auth: Auth
) -> None:
    messages = watching(await auth.token("ann@example.com"))
    first = await anext(messages)
    assert first.order.customer_id == str(await auth.user_id("ann@example.com"))
    servicer.go_on.set()
    with pytest.raises(Failure) as caught:
        await anext(messages)
    assert (caught.value.kind, caught.value.reason) == (Kind.NOT_FOUND, "ORDER_NOT_FOUND")


async def test_a_stream_without_a_session_is_refused(watching: Watching) -> None:
    with pytest.raises(Failure) as caught:
        await anext(watching(None))
    assert caught.value.kind is Kind.UNAUTHENTICATED


async def test_a_stream_ends_when_its_session_expires(
    watching: Watching, servicer: StreamServicer, auth: Auth, clock: ManualClock[float]
) -> None:
    session = await auth.sign_in("ann@example.com")
    clock.now = session["expires_at"] + 8  # two seconds before the end of the leeway
    messages = watching(session["access_token"])
    await anext(messages)
    with pytest.raises(Failure) as caught:
        await anext(messages)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAUTHENTICATED, "TOKEN_EXPIRED")
    await servicer.ended.wait()


async def test_a_stop_ends_streams_immediately_despite_a_long_grace_period(
    watching: Watching, running: Running, servicer: StreamServicer, auth: Auth
) -> None:
    messages = watching(auth.service_role_key)
    await anext(messages)
    stopping = asyncio.create_task(running.stop(drain=0, grace=2 * PATIENCE))
    with pytest.raises(Failure) as caught:
        await anext(messages)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "STREAM_ENDED")
    await servicer.ended.wait()
    async with asyncio.timeout(PATIENCE):  # less than the grace period
        await stopping


async def test_a_stream_is_cancelled_when_its_client_leaves(
    watching: Watching, servicer: StreamServicer, auth: Auth
) -> None:
    messages = watching(auth.service_role_key)
    await anext(messages)
    await messages.aclose()  # type: ignore[attr-defined]  # it is a generator
    await servicer.ended.wait()
