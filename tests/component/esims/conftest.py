"""The eSIMs service on real parts: PostgreSQL, the auth emulator and the provider's sandbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from kit.rpc import client as rpc_client
from kit.values.clock import Clock
from protos.changes.v1 import changes_pb2_grpc
from protos.esims.v1 import esims_pb2_grpc, exports_pb2_grpc, reports_pb2_grpc, travelers_pb2_grpc
from services.esims.__main__ import serve
from services.esims.settings import Settings
from tests.component.esims.parts import Parts, wired
from tests.component.esims.running import OpenService, Service
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth, ProviderSandbox, Serving
from tests.fixtures.settings import esims_settings


@pytest.fixture
def settings(databases: Databases, auth: Auth, provider: ProviderSandbox) -> Settings:
    return esims_settings(databases, auth, provider)


@pytest.fixture
def open_service(
    settings: Settings,
    databases: Databases,
    auth: Auth,
    provider: ProviderSandbox,
    serving: Serving,
) -> OpenService:
    """Run the service with some settings changed."""

    @asynccontextmanager
    async def opened(clock: Clock | None = None, **changes: Any) -> AsyncIterator[Service]:
        async with (
            serving(partial(serve, clock=clock), replace(settings, **changes)) as port,
            rpc_client.channel(f"127.0.0.1:{port}") as channel,
        ):
            yield Service(
                stub=esims_pb2_grpc.ESIMsServiceStub(channel),
                travelers=travelers_pb2_grpc.TravelersServiceStub(channel),
                changes=changes_pb2_grpc.ChangesServiceStub(channel),
                reports=reports_pb2_grpc.ReportsServiceStub(channel),
                exports=exports_pb2_grpc.ExportsServiceStub(channel),
                auth=auth,
                provider=provider,
                databases=databases,
                customer=await auth.user_id("ada@example.com"),
                token=await auth.token("ada@example.com"),
                stranger=await auth.token("bob@example.com"),
                admin=await auth.token("root@example.com", admin=True),
            )

    return opened


@pytest.fixture
async def service(open_service: OpenService) -> AsyncIterator[Service]:
    async with open_service() as running:
        yield running


@pytest.fixture
async def parts(databases: Databases, provider: ProviderSandbox) -> AsyncIterator[Parts]:
    async with wired(databases, provider) as running:
        yield running
