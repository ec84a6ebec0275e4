"""A gRPC server with a probe, and a client of it."""

from collections.abc import AsyncIterator

import aiohttp
import grpc
import pytest

from kit.auth.sessions import Verifier
from kit.rpc import client as rpc_client
from kit.rpc.guard import Service
from kit.rpc.server import Running, start
from protos.orders.v1 import orders_pb2_grpc
from tests.component.kit.rpc.probe import ACCESS, DESCRIPTOR, Probe
from tests.fixtures.sandboxes import Auth


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
