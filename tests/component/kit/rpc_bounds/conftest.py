"""A gRPC server that a test starts with the limits that it tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from kit.auth.sessions import Verifier
from kit.rpc import server as rpc
from kit.rpc.access import Access, Rule
from kit.rpc.guard import Service
from kit.rpc.limits import Limits
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.fixtures.rpc.misbehaving import Probe, Serving
from tests.fixtures.sandboxes import Auth

DESCRIPTOR = orders_pb2.DESCRIPTOR.services_by_name["OrdersService"]
ACCESS = dict.fromkeys((m.name for m in DESCRIPTOR.methods), Rule(Access.PUBLIC))


@pytest.fixture
def probe() -> Probe:
    return Probe()  # type: ignore[abstract]  # the other methods answer UNIMPLEMENTED


@pytest.fixture
def serving(probe: Probe, auth: Auth, http: aiohttp.ClientSession) -> Serving:
    verifier = Verifier(supabase_url=auth.url, service_role_key=auth.service_role_key, http=http)

    @asynccontextmanager
    async def serve(limits: Limits) -> AsyncIterator[rpc.Running]:
        service = Service(
            DESCRIPTOR,
            lambda server: orders_pb2_grpc.add_OrdersServiceServicer_to_server(probe, server),
            ACCESS,
        )
        running = await rpc.start(
            service, host="127.0.0.1", port=0, verifier=verifier, limits=limits
        )
        try:
            yield running
        finally:
            await running.stop(drain=0, grace=0)

    return serve
