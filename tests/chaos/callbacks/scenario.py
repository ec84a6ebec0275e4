"""The eSIMs and orders that a run's callbacks are about, bought at the sandbox and known to the platform."""

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
from tests.chaos.callbacks.testbed import SERVICE_ROLE_KEY, Testbed

FIRST = "esim_1GB_7D_GB_V2"
SECOND = "esim_3GB_30D_GB_V2"
# The maximum eSIMs of one order of the platform, and so of one registration.
PER_ORDER = 10
AS_SERVICE = (("authorization", f"Bearer {SERVICE_ROLE_KEY}"),)
# Bundles on each eSIM.
BUNDLES = 2
# eSIMs of the order that is registered late.
LATE = 3
# Seconds after which a set-up that hangs is given up.
SETUP_TIMEOUT = 120.0


class Case(StrEnum):
    """What happens to an eSIM in the run."""

    TRAVELER = "traveler"
    DEPLETED = "depleted"
    DELETED = "deleted"
    SUSPENDED = "suspended"
    UNUSED = "unused"
    PLATFORM_EVENTS = "platform events"
    AMBIGUOUS = "ambiguous"
    INVALID_VALUES = "invalid values"


# Assigned in turn; all cases are among the first eight, so that a small run has each.
CASES = (*Case, Case.TRAVELER, Case.TRAVELER, Case.TRAVELER)


@dataclass(frozen=True, slots=True)
class InitialBundle:
    """One bundle on one eSIM; bytes base 10."""

    assignment: str
    reference: str
    name: str
    description: str
    initial: int


@dataclass(frozen=True, slots=True)
class InitialESIM:
    """One eSIM at the start of the run, with unused bundles of different names.

    Only an ambiguous eSIM has two bundles of one name. It was used at the provider, whose answer is correct.
    """

    iccid: str
    case: Case
    bundles: tuple[InitialBundle, ...]


@dataclass(frozen=True, slots=True)
class PendingOrder:
    """An order that the provider has accepted and delivers only by a callback."""

    order_id: str
    reference: str
    iccids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """All eSIMs and orders of the run.

    `late` is a delivery that the platform registers only after all callbacks about its eSIMs.
    """

    esims: tuple[InitialESIM, ...]
    orders: tuple[PendingOrder, ...]
    late: esims_pb2.RegisterESIMsRequest

    @property
    def late_iccids(self) -> tuple[str, ...]:
        return tuple(esim.iccid for esim in self.late.esims)


async def create_scenario(testbed: Testbed, database: str, esims: int, orders: int) -> Scenario:
    """Buy and register everything; afterwards the provider answers only for ambiguous eSIMs.

    So only callbacks can change what the platform has stored.
    """
    pending = await _create_pending_orders(testbed, database, orders)
    await testbed.control("/switches", {"async_above": 1_000_000})
    late = await _delivery(testbed, LATE)
    cases: dict[str, Case] = {}
    for start in range(0, esims, PER_ORDER):
        required = [CASES[n % len(CASES)] for n in range(start, min(start + PER_ORDER, esims))]
        cases |= await _register(testbed, required)
    initial = await _read_esims(testbed, database, cases)
    for esim in initial:
        if esim.case is Case.AMBIGUOUS:
            await testbed.control(f"/esims/{esim.iccid}/use-data", {"megabytes": 400})
        else:
            await _refuse_reads(testbed, esim.iccid)
    for delivered in late.esims:
        await _refuse_reads(testbed, delivered.iccid)
    await testbed.control("/faults", {"path": "/orders/*", "status": 503, "count": 0})
    await testbed.control("/faults", {"path": "/esims/assignments", "status": 503, "count": 0})
    return Scenario(tuple(initial), tuple(pending), late)


async def register_late(testbed: Testbed, scenario: Scenario) -> None:
    """Register the late delivery, with retries, as the service may have just been killed."""
    async with grpc.aio.insecure_channel(testbed.address("esims")) as channel:
        stub = esims_pb2_grpc.ESIMsServiceStub(channel)
        async with asyncio.timeout(SETUP_TIMEOUT):
            while True:
                try:
                    await stub.RegisterESIMs(
                        scenario.late, metadata=AS_SERVICE, wait_for_ready=True
                    )
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.1)
                else:
                    return


async def _refuse_reads(testbed: Testbed, iccid: str) -> None:
    """Make the provider refuse all requests about this eSIM."""
    fault = {"method": "GET", "path": f"/esims/{iccid}*", "status": 403, "count": 0}
    await testbed.control("/faults", fault)


async def _create_pending_orders(
    testbed: Testbed, database: str, orders: int
) -> list[PendingOrder]:
    """Order through the orders service while the provider never finishes an order."""
    await testbed.control("/switches", {"async_above": 0, "async_seconds": 10_000_000})
    session = {"email": "chaos@example.com"}
    async with testbed.http.post(
        f"{testbed.auth.url}/_control/auth/session", json=session
    ) as response:
        token = (await response.json())["access_token"]
    as_customer = (("authorization", f"Bearer {token}"),)
    async with (
        grpc.aio.insecure_channel(testbed.address("catalogue")) as to_catalogue,
        grpc.aio.insecure_channel(testbed.address("orders")) as to_orders,
    ):
        catalogue = catalogue_pb2_grpc.CatalogueServiceStub(to_catalogue)
        stub = orders_pb2_grpc.OrdersServiceStub(to_orders)
        plan = await _plan(catalogue)
        ids = []
        for number in range(orders):
            request = orders_pb2.CreateOrderRequest(
                plan_id=plan, quantity=1 + number % 3, idempotency_key=f"pending-{number}"
            )
            ids.append((await stub.CreateOrder(request, metadata=as_customer)).order.id)
    admin = await asyncpg.connect(testbed.url(database))
    try:
        async with asyncio.timeout(SETUP_TIMEOUT):
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
        PendingOrder(
            str(row["id"]),
            row["provider_reference"],
            # From a range that the sandbox doesn't assign.
            tuple(f"89440000{n:05d}{k:06d}" for k in range(row["quantity"])),
        )
        for n, row in enumerate(rows)
    ]


async def _plan(catalogue: Any) -> str:
    """Return the id of the first bundle's plan, as soon as the catalogue has it."""
    async with asyncio.timeout(SETUP_TIMEOUT):
        while True:
            try:
                response = await catalogue.GetPlan(catalogue_pb2.GetPlanRequest(name=FIRST))
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.1)
            else:
                return str(response.plan.id)


async def _register(testbed: Testbed, required: Sequence[Case]) -> dict[str, Case]:
    """Register one order's eSIMs with a bundle each, then a second bundle on each."""
    request = await _delivery(testbed, len(required))
    cases = {esim.iccid: case for esim, case in zip(request.esims, required, strict=True)}
    for name, ambiguous in ((SECOND, False), (FIRST, True)):
        iccids = [i for i, case in cases.items() if (case is Case.AMBIGUOUS) is ambiguous]
        if iccids:
            await _buy(testbed, {"quantity": len(iccids), "item": name, "iccids": iccids})
    async with grpc.aio.insecure_channel(testbed.address("esims")) as channel:
        stub = esims_pb2_grpc.ESIMsServiceStub(channel)
        registered = (await stub.RegisterESIMs(request, metadata=AS_SERVICE)).esims
        # Bundles that could not be refreshed in time are read by the next request.
        bundles_request = esims_pb2.BatchListBundlesRequest(
            esim_ids=[esim.id for esim in registered]
        )
        async with asyncio.timeout(SETUP_TIMEOUT):
            while len(
                (await stub.BatchListBundles(bundles_request, metadata=AS_SERVICE)).bundles
            ) < BUNDLES * len(registered):
                await asyncio.sleep(0.5)
        for esim in registered:
            if cases[esim.iccid] is Case.SUSPENDED:
                await stub.SuspendESIM(
                    esims_pb2.SuspendESIMRequest(esim_id=esim.id), metadata=AS_SERVICE
                )
    return cases


async def _delivery(testbed: Testbed, quantity: int) -> esims_pb2.RegisterESIMsRequest:
    """Order new eSIMs and build the registration that the orders service would send."""
    order = await _buy(testbed, {"quantity": quantity, "item": FIRST})
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


async def _read_esims(testbed: Testbed, database: str, cases: dict[str, Case]) -> list[InitialESIM]:
    """Return the eSIMs as the platform has stored them, once both bundles of each are stored."""
    admin = await asyncpg.connect(testbed.url(database))
    try:
        async with asyncio.timeout(SETUP_TIMEOUT):
            while True:
                rows = await admin.fetch(
                    "select e.iccid, b.assignment_id, b.assignment_reference, b.name,"
                    " b.description, b.initial_bytes from esims.esims e join esims.esim_bundles b"
                    " on b.esim_id = e.id order by e.iccid, b.assignment_id"
                )
                if len(rows) == BUNDLES * len(cases):
                    break
                await asyncio.sleep(0.1)
    finally:
        await admin.close()
    bundles: dict[str, list[InitialBundle]] = {iccid: [] for iccid in cases}
    for row in rows:
        bundles[row["iccid"]].append(
            InitialBundle(
                assignment=row["assignment_id"],
                reference=row["assignment_reference"],
                name=row["name"],
                description=row["description"],
                initial=row["initial_bytes"],
            )
        )
    return [InitialESIM(iccid, case, tuple(bundles[iccid])) for iccid, case in cases.items()]


async def _buy(testbed: Testbed, line: dict[str, Any]) -> Any:
    body = {"type": "transaction", "assign": True, "order": [{"type": "bundle", **line}]}
    headers = {"X-API-Key": testbed.sandbox.world.settings.api_key}
    async with testbed.http.post(
        f"{testbed.sandbox.url}/orders", json=body, headers=headers
    ) as response:
        response.raise_for_status()
        return await response.json()
