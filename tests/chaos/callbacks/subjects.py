"""The eSIMs and orders of a run's callbacks, bought at the sandbox and known to the platform."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import asyncpg
import grpc

from protos.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from protos.esims.v1 import esims_pb2, esims_pb2_grpc
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.chaos.callbacks.stage import SERVICE_ROLE_KEY, Stage

FIRST = "esim_1GB_7D_GB_V2"
SECOND = "esim_3GB_30D_GB_V2"
# The maximum eSIMs of one order of the platform, and so of one registration.
PER_ORDER = 10
AS_SERVICE = (("authorization", f"Bearer {SERVICE_ROLE_KEY}"),)
# Bundles on each eSIM.
BUNDLES = 2
# eSIMs of the order that is registered late.
LATE = 3
# Seconds. Ends a set-up that hangs.
PATIENCE = 120.0


class Role(StrEnum):
    """What happens to an eSIM in the run."""

    TRAVELLER = "traveller"
    SPENT = "spent"
    DELETED = "deleted"
    SUSPENDED = "suspended"
    IDLE = "idle"
    PLATFORM = "platform"
    AMBIGUOUS = "ambiguous"
    ODD = "odd"


# Assigned in turn; all kinds are among the first eight, so that a small run has each.
ROLES = (*Role, Role.TRAVELLER, Role.TRAVELLER, Role.TRAVELLER)


@dataclass(frozen=True, slots=True)
class OnESIM:
    """One bundle on one eSIM; bytes base 10."""

    assignment: str
    reference: str
    name: str
    description: str
    initial: int


@dataclass(frozen=True, slots=True)
class Subject:
    """One eSIM at the start of the run, with unused bundles of different names.

    Only an ambiguous one has two of a name and was used at the provider, whose answer is right.
    """

    iccid: str
    role: Role
    bundles: tuple[OnESIM, ...]


@dataclass(frozen=True, slots=True)
class Awaited:
    """An order that the provider has accepted and delivers only by a callback."""

    order_id: str
    reference: str
    iccids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """All subjects of the run.

    `late` is a delivery that the platform registers only after all callbacks about its eSIMs.
    """

    esims: tuple[Subject, ...]
    orders: tuple[Awaited, ...]
    late: esims_pb2.RegisterESIMsRequest

    @property
    def late_iccids(self) -> tuple[str, ...]:
        return tuple(esim.iccid for esim in self.late.esims)


async def gather_cast(stage: Stage, database: str, esims: int, orders: int) -> Cast:
    """Buy and register; afterwards the provider answers only for ambiguous eSIMs.

    So only a callback can change what the platform knows.
    """
    awaited = await _await_orders(stage, database, orders)
    await stage.control("/switches", {"async_above": 1_000_000})
    late = await _delivery(stage, LATE)
    roles: dict[str, Role] = {}
    for start in range(0, esims, PER_ORDER):
        wanted = [ROLES[n % len(ROLES)] for n in range(start, min(start + PER_ORDER, esims))]
        roles |= await _register(stage, wanted)
    subjects = await _read_subjects(stage, database, roles)
    for subject in subjects:
        if subject.role is Role.AMBIGUOUS:
            await stage.control(f"/esims/{subject.iccid}/use-data", {"megabytes": 400})
        else:
            await _silence(stage, subject.iccid)
    for esim in late.esims:
        await _silence(stage, esim.iccid)
    await stage.control("/faults", {"path": "/orders/*", "status": 503, "count": 0})
    await stage.control("/faults", {"path": "/esims/assignments", "status": 503, "count": 0})
    return Cast(tuple(subjects), tuple(awaited), late)


async def register_late(stage: Stage, cast: Cast) -> None:
    """Register the late delivery, with retries, as the service may have just been killed."""
    async with grpc.aio.insecure_channel(stage.address("esims")) as channel:
        stub = esims_pb2_grpc.ESIMsServiceStub(channel)
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await stub.RegisterESIMs(cast.late, metadata=AS_SERVICE, wait_for_ready=True)
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.1)
                else:
                    return


async def _silence(stage: Stage, iccid: str) -> None:
    """Make the provider refuse all requests about this eSIM."""
    silence = {"method": "GET", "path": f"/esims/{iccid}*", "status": 403, "count": 0}
    await stage.control("/faults", silence)


async def _await_orders(stage: Stage, database: str, orders: int) -> list[Awaited]:
    """Order through the orders service while the provider processes every order for ever."""
    await stage.control("/switches", {"async_above": 0, "async_seconds": 10_000_000})
    session = {"email": "chaos@example.com"}
    async with stage.http.post(f"{stage.auth.url}/_control/auth/session", json=session) as answer:
        token = (await answer.json())["access_token"]
    as_customer = (("authorization", f"Bearer {token}"),)
    async with (
        grpc.aio.insecure_channel(stage.address("catalogue")) as to_catalogue,
        grpc.aio.insecure_channel(stage.address("orders")) as to_orders,
    ):
        catalogue = catalogue_pb2_grpc.CatalogueServiceStub(to_catalogue)
        stub = orders_pb2_grpc.OrdersServiceStub(to_orders)
        plan = await _plan(catalogue)
        ids = []
        for number in range(orders):
            request = orders_pb2.CreateOrderRequest(
                plan_id=plan, quantity=1 + number % 3, idempotency_key=f"awaited-{number}"
            )
            ids.append((await stub.CreateOrder(request, metadata=as_customer)).order.id)
    admin = await asyncpg.connect(stage.url(database))
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                rows = await admin.fetch(
                    "select id, provider_reference, quantity from orders.esim_orders"
                    " where provider_reference is not null order by created_at"
                )
                if len(rows) == orders:
                    break
                await asyncio.sleep(0.1)
    finally:
        await admin.close()
    return [
        Awaited(
            str(row["id"]),
            row["provider_reference"],
            # From a range that the sandbox doesn't assign.
            tuple(f"89440000{n:05d}{k:06d}" for k in range(row["quantity"])),
        )
        for n, row in enumerate(rows)
    ]


async def _plan(catalogue: Any) -> str:
    """Return the id of the first bundle's plan, as soon as the catalogue has it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer = await catalogue.GetPlan(catalogue_pb2.GetPlanRequest(name=FIRST))
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.1)
            else:
                return str(answer.plan.id)


async def _register(stage: Stage, wanted: Sequence[Role]) -> dict[str, Role]:
    """Register one order's eSIMs with a bundle each, then a second bundle on each."""
    request = await _delivery(stage, len(wanted))
    roles = {esim.iccid: role for esim, role in zip(request.esims, wanted, strict=True)}
    for name, ambiguous in ((SECOND, False), (FIRST, True)):
        iccids = [i for i, role in roles.items() if (role is Role.AMBIGUOUS) is ambiguous]
        if iccids:
            await _buy(stage, {"quantity": len(iccids), "item": name, "iccids": iccids})
    async with grpc.aio.insecure_channel(stage.address("esims")) as channel:
        stub = esims_pb2_grpc.ESIMsServiceStub(channel)
        kept = (await stub.RegisterESIMs(request, metadata=AS_SERVICE)).esims
        # What could not be refreshed in time stays unread until the next request.
        look = esims_pb2.BatchListBundlesRequest(esim_ids=[esim.id for esim in kept])
        async with asyncio.timeout(PATIENCE):
            while len(
                (await stub.BatchListBundles(look, metadata=AS_SERVICE)).bundles
            ) < BUNDLES * len(kept):
                await asyncio.sleep(0.5)
        for esim in kept:
            if roles[esim.iccid] is Role.SUSPENDED:
                await stub.SuspendESIM(
                    esims_pb2.SuspendESIMRequest(esim_id=esim.id), metadata=AS_SERVICE
                )
    return roles


async def _delivery(stage: Stage, quantity: int) -> esims_pb2.RegisterESIMsRequest:
    """Order new eSIMs and build the registration that the orders service would send."""
    order = await _buy(stage, {"quantity": quantity, "item": FIRST})
    return esims_pb2.RegisterESIMsRequest(
        order_id=str(uuid.uuid4()),
        plan_id=str(uuid.uuid4()),
        bundle_name=FIRST,
        customer_id=str(uuid.uuid4()),
        order_reference=order["orderReference"],
        esims=[
            esims_pb2.DeliveredESIM(
                iccid=esim["iccid"],
                matching_id=esim["matchingId"],
                smdp_address=esim["smdpAddress"],
            )
            for esim in order["order"][0]["esims"]
        ],
    )


async def _read_subjects(stage: Stage, database: str, roles: dict[str, Role]) -> list[Subject]:
    """Return the subjects as the platform knows them, once it knows both bundles of each."""
    admin = await asyncpg.connect(stage.url(database))
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                rows = await admin.fetch(
                    "select e.iccid, b.assignment_id, b.assignment_reference, b.name,"
                    " b.description, b.initial_bytes from esims.esims e join esims.esim_bundles b"
                    " on b.esim_id = e.id order by e.iccid, b.assignment_id"
                )
                if len(rows) == BUNDLES * len(roles):
                    break
                await asyncio.sleep(0.1)
    finally:
        await admin.close()
    bundles: dict[str, list[OnESIM]] = {iccid: [] for iccid in roles}
    for row in rows:
        bundles[row["iccid"]].append(
            OnESIM(
                assignment=row["assignment_id"],
                reference=row["assignment_reference"],
                name=row["name"],
                description=row["description"],
                initial=row["initial_bytes"],
            )
        )
    return [Subject(iccid, role, tuple(bundles[iccid])) for iccid, role in roles.items()]


async def _buy(stage: Stage, line: dict[str, Any]) -> Any:
    body = {"type": "transaction", "assign": True, "order": [{"type": "bundle", **line}]}
    headers = {"X-API-Key": stage.sandbox.world.settings.api_key}
    async with stage.http.post(f"{stage.sandbox.url}/orders", json=body, headers=headers) as answer:
        answer.raise_for_status()
        return await answer.json()
