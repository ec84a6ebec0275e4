"""A running eSIMs service with customers, and deliveries of the provider."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from kit.rpc import client as rpc_client
from kit.values import timestamps
from protos.esims.v1 import esims_pb2 as pb
from sandbox.state.records import Esim
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth, ProviderSandbox

Answer = TypeVar("Answer")

BUNDLE = "esim_1GB_7D_GB_V2"


@dataclass(frozen=True, slots=True)
class Delivered:
    """One order as the provider delivered it."""

    order_id: UUID
    reference: str
    bundle: str
    esims: list[dict[str, str]]


async def buy(provider: ProviderSandbox, bundle: str = BUNDLE, quantity: int = 1) -> Delivered:
    """Order at the sandbox, as the orders service does."""
    order = {
        "type": "transaction",
        "assign": True,
        "order": [{"type": "bundle", "quantity": quantity, "item": bundle}],
    }
    async with provider.http.post(
        f"{provider.url}/orders", json=order, headers={"X-API-Key": provider.api_key}
    ) as answer:
        body = await answer.json()
        assert answer.status == 200, body
    esims = body["order"][0]["esims"]
    return Delivered(uuid4(), body["orderReference"], bundle, esims)


def at_provider(provider: ProviderSandbox, iccid: str) -> Esim:
    esim = provider.world.esims.get(iccid)
    assert esim is not None
    return esim


def registration(delivered: Delivered, customer: UUID, **fields: Any) -> pb.RegisterESIMsRequest:
    """Build the request that the orders service sends for a delivery."""
    return pb.RegisterESIMsRequest(
        **{
            "order_id": str(delivered.order_id),
            "plan_id": str(uuid4()),
            "bundle_name": delivered.bundle,
            "customer_id": str(customer),
            "order_reference": delivered.reference,
            "esims": [
                pb.DeliveredESIM(
                    iccid=esim["iccid"],
                    matching_id=esim["matchingId"],
                    smdp_address=esim["smdpAddress"],
                )
                for esim in delivered.esims
            ],
            **fields,
        }
    )


@dataclass(frozen=True, slots=True)
class Service:
    """The running service with two customers and an administrator."""

    stub: Any
    travelers: Any
    changes: Any
    reports: Any
    exports: Any
    auth: Auth
    provider: ProviderSandbox
    databases: Databases
    customer: UUID
    token: str
    stranger: str
    admin: str

    async def ask(
        self,
        method: Callable[..., Awaitable[Answer]],
        request: Any,
        token: str | None = None,
        timeout: float = PATIENCE,
    ) -> Answer:
        """Call a method as the first customer, or with another token; raises Failure."""
        return await rpc_client.call(method, request, token=token or self.token, timeout=timeout)

    async def register(self, delivered: Delivered, **fields: Any) -> list[pb.ESIM]:
        """Register a delivery for the first customer, as the orders service does."""
        request = registration(delivered, self.customer, **fields)
        answer = await self.ask(self.stub.RegisterESIMs, request, self.auth.service_role_key)
        return list(answer.esims)

    async def deliver(
        self, quantity: int = 1, bundle: str = BUNDLE, **fields: Any
    ) -> list[pb.ESIM]:
        return await self.register(await buy(self.provider, bundle, quantity), **fields)

    async def get(self, esim: pb.ESIM) -> pb.ESIM:
        answer: pb.GetESIMResponse = await self.ask(
            self.stub.GetESIM, pb.GetESIMRequest(esim_id=esim.id)
        )
        return answer.esim

    async def bundles(self, *esims: pb.ESIM) -> list[pb.ESIMBundle]:
        request = pb.BatchListBundlesRequest(esim_ids=[esim.id for esim in esims])
        return list((await self.ask(self.stub.BatchListBundles, request)).bundles)

    async def usage(self, esim: pb.ESIM) -> pb.ESIMUsage:
        request = pb.BatchGetUsageRequest(esim_ids=[esim.id])
        answer: pb.BatchGetUsageResponse = await self.ask(self.stub.BatchGetUsage, request)
        (usage,) = answer.usages
        return usage

    async def usage_from_now(self, esim: pb.ESIM) -> pb.ESIMUsage:
        """Return the usage as the provider reports it after this call began.

        A refresh that a subscriber triggered earlier may still be in flight and be joined instead, and its
        result may be stored with any age. So this repeats until `as_of` is recent.
        """
        now = datetime.now(UTC)
        while True:
            await self.age(400)
            usage = await self.usage(esim)
            if usage.HasField("as_of") and timestamps.from_proto(usage.as_of) > now:
                return usage

    async def age(self, seconds: int) -> None:
        """Make stored data this much older, as if the time had passed.

        Only valid while the service refreshes nothing in the background; otherwise use `usage_from_now`.
        """
        for column, table in (
            ("bundles_read_at", "esims"),
            ("state_read_at", "esims"),
            ("read_at", "esim_bundles"),
        ):
            await self.databases.admin.execute(
                f"update esims.{table} set {column} = {column} - make_interval(secs => $1)",  # noqa: S608 - names of this test
                seconds,
            )

    async def device(self, esim: pb.ESIM, act: str, **body: Any) -> None:
        """Simulate an action of the device or of the provider's staff."""
        await self.provider.control("POST", f"/esims/{esim.iccid}/{act}", body)


OpenService = Callable[..., AbstractAsyncContextManager[Service]]
