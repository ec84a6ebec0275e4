"""A running catalogue service with a sandbox behind it; each test has its own database and catalogue."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import sandbox.server
import sandbox.settings
from kit.rpc import client as rpc_client
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.catalogue.v1 import catalogue_pb2_grpc, prices_pb2_grpc
from providers.esim_go.client import ProviderSettings
from sandbox.switches import Switches
from services.catalogue.__main__ import serve
from services.catalogue.plan import plan_id
from services.catalogue.settings import Settings
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth, Serving
from tests.fixtures.settings import service_settings


@dataclass(frozen=True, slots=True)
class Shop:
    """The service as its callers see it, with the ports and the database behind it."""

    stub: "catalogue_pb2_grpc.CatalogueServiceAsyncStub"  # only the type checker's file has it
    auth: Auth
    databases: Databases
    settings: Settings
    control_url: str
    port: int
    prices_stub: "prices_pb2_grpc.PricesServiceAsyncStub"

    async def call(self, method: str, request: Any, token: str | None = None) -> Any:
        return await rpc_client.call(
            getattr(self.stub, method), request, token=token, timeout=PATIENCE
        )

    async def prices(self, method: str, request: Any, token: str | None = None) -> Any:
        """Call a method of the prices service, by default as a service of the platform."""
        return await rpc_client.call(
            getattr(self.prices_stub, method),
            request,
            token=token or self.auth.service_role_key,
            timeout=PATIENCE,
        )

    async def plans(self, **conditions: Any) -> list[pb.DataPlan]:
        """Return all plans that match a filter, on one page."""
        request = pb.ListPlansRequest(filter=pb.PlanFilter(**conditions), page_size=10_000)
        return list((await self.call("ListPlans", request)).plans)

    async def plan(self, name: str) -> pb.DataPlan:
        answer: pb.GetPlanResponse = await self.call("GetPlan", pb.GetPlanRequest(name=name))
        return answer.plan

    async def sync(self) -> pb.SyncStatus:
        """Sync the catalogue, or join the sync in progress, and return the result."""
        messages = [message async for message in self.follow()]
        assert [message.done for message in messages] == [False] * (len(messages) - 1) + [True]
        return messages[-1].status

    async def status(self) -> pb.GetSyncStatusResponse:
        answer: pb.GetSyncStatusResponse = await self.call(
            "GetSyncStatus", pb.GetSyncStatusRequest(), self.auth.service_role_key
        )
        return answer

    async def hide(self, name: str, *, hidden: bool = True) -> pb.DataPlan:
        """Take a plan off sale as an administrator, or put it back."""
        request = pb.SetPlanHiddenRequest(plan_id=str(plan_id(name)), hidden=hidden)
        token = await self.auth.token("admin@example.com", admin=True)
        answer: pb.SetPlanHiddenResponse = await self.call("SetPlanHidden", request, token)
        return answer.plan

    async def follow(self) -> AsyncIterator[pb.SyncCatalogueResponse]:
        """Stream the progress of a new sync, or of the one in progress."""
        metadata = (("authorization", f"Bearer {self.auth.service_role_key}"),)
        request = pb.SyncCatalogueRequest()
        async for message in self.stub.SyncCatalogue(request, metadata=metadata, timeout=PATIENCE):
            yield message

    async def control_sandbox(self, path: str, /, **body: Any) -> Any:
        async with self.auth.http.post(f"{self.control_url}/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


OpenShop = Callable[..., AbstractAsyncContextManager[Shop]]


@pytest.fixture
def open_shop(
    databases: Databases, auth: Auth, serving: Serving, tmp_path: Path, http: aiohttp.ClientSession
) -> OpenShop:
    """Open a shop that sells `bundles`: a list, a file, or by default the sandbox's catalogue.

    It has synced once unless `read` is False. `switches` configure the sandbox, `changes` the service.
    With `rates`, what the sandbox's file of exchange rates contains, the service reads that file.
    """

    @asynccontextmanager
    async def opened(
        bundles: list[dict[str, Any]] | Path | None = None,
        *,
        read: bool = True,
        fault: dict[str, Any] | None = None,
        switches: dict[str, Any] | None = None,
        rates: dict[str, Any] | None = None,
        **changes: Any,
    ) -> AsyncIterator[Shop]:
        if isinstance(bundles, list):
            path = tmp_path / "catalogue.json"
            path.write_text(json.dumps(bundles))
            bundles = path
        async with AsyncExitStack() as stack:
            provider = await sandbox.server.start(
                sandbox.settings.Settings(
                    port=0,
                    catalogue=bundles,
                    # Waiting for rate-limit tokens is not under test here.
                    switches=Switches(**({"tokens_per_second": 0} | (switches or {}))),
                )
            )
            stack.push_async_callback(provider.stop)
            if fault:
                async with http.post(f"{provider.control_url}/faults", json=fault) as answer:
                    assert answer.status == 200, await answer.text()
            settings = Settings(
                service_settings(databases, auth, "catalogue"),
                ProviderSettings(provider.url, "sandbox-api-key"),
            )
            if rates is not None:
                async with http.post(f"{provider.control_url}/rates", json=rates) as answer:
                    assert answer.status == 200, await answer.text()
                settings = replace(settings, rates_url=provider.rates_url)
            settings = replace(settings, **changes)
            port = await stack.enter_async_context(serving(serve, settings))
            channel = rpc_client.channel(f"127.0.0.1:{port}")
            stack.push_async_callback(channel.close)
            stub: Any = catalogue_pb2_grpc.CatalogueServiceStub(channel)
            prices: Any = prices_pb2_grpc.PricesServiceStub(channel)
            shop = Shop(stub, auth, databases, settings, provider.control_url, port, prices)
            if read:
                assert (await shop.sync()).error == ""
            yield shop

    return opened


COUNTRIES = {
    "FR": ("France", "Europe"),
    "DE": ("Germany", "Europe"),
    "GB": ("United Kingdom", "Europe"),
    "CI": ("Côte d'Ivoire", "Africa"),
    "JP": ("Japan", "Asia"),
    "US": ("United States", "North America"),
}


def bundle(
    name: str, price: float, *isos: str, days: int = 30, data: int = 1000, **fields: Any
) -> dict[str, Any]:
    places = [{"iso": iso, "name": COUNTRIES[iso][0], "region": COUNTRIES[iso][1]} for iso in isos]
    allowance = {
        "type": "DATA",
        "service": "STANDARD",
        "description": "Data",
        "amount": data,
        "unit": "MB",
        "unlimited": data < 0,
    }
    return {
        "name": name,
        "description": f"eSIM, {name}",
        "groups": ["Standard Fixed"],
        "countries": places,
        "dataAmount": data,
        "duration": days,
        "speed": ["4G", "5G"],
        "autostart": False,
        "unlimited": data < 0,
        "roamingEnabled": [],
        "price": price,
        "billingType": "FixedCost",
        "profileName": "Profile 1",
        "allowances": [allowance],
        **fields,
    }


FOUR = [
    bundle("esim_a", 2, "FR", days=10),
    bundle("esim_b", 1.5, "FR", "DE", days=5),
    bundle("esim_c", 12.125, "JP", days=30, data=-1, groups=["Standard Unlimited Lite"]),
    bundle("esim_d", 40, "FR", "US", "JP", days=90),
]
NAMES = [f"esim_{letter}" for letter in "abcdefgh"]
EIGHT = [bundle(name, 1 + number, "FR") for number, name in enumerate(NAMES)]
