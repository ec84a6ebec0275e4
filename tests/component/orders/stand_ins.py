"""Stand-ins for the services that the orders service calls."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID, uuid5

import sandbox.server
from kit.errors import Failure, Kind
from kit.rpc.errors import to_status
from kit.values import money, timestamps
from protos.catalogue.v1 import catalogue_pb2, prices_pb2, prices_pb2_grpc
from protos.changes.v1 import changes_pb2, changes_pb2_grpc
from protos.esims.v1 import esims_pb2, esims_pb2_grpc, travelers_pb2, travelers_pb2_grpc

AWAY = Failure(Kind.UNAVAILABLE, "SERVICE_UNAVAILABLE", "away")

PLANS = UUID("00000000-0000-0000-0000-00000000cafe")


@cache
def id_of(name: str) -> str:
    """Return the id of a plan or eSIM, by the provider's name for it."""
    return str(uuid5(PLANS, name))


class CatalogueStandIn(prices_pb2_grpc.PricesServiceServicer):
    """Plans of the sandbox's catalogue by id.

    Those in `withdrawn` are not on sale, and those in `unreachable` are UNAVAILABLE.
    """

    def __init__(self, running: sandbox.server.Running) -> None:
        self.bundles = {id_of(b.name): b for b in running.world.catalogue.all()}
        self.withdrawn: set[str] = set()
        self.unreachable: set[str] = set()
        self.failure: Failure | None = None  # of all plans
        self.tokens: list[str] = []
        self.confirmed_at = datetime.now(UTC)
        self.stored_price: Decimal | None = None  # overrides the sandbox's price
        # Changes each answer, such as its price list.
        self.adjust: Callable[[prices_pb2.QuotePlanResponse], None] = lambda answer: None

    async def QuotePlan(self, request: Any, context: Any) -> prices_pb2.QuotePlanResponse:
        self.tokens += [str(v) for k, v in context.invocation_metadata() if k == "authorization"]
        bundle = self.bundles.get(request.plan_id)
        if bundle is None:
            missing = Failure(Kind.NOT_FOUND, "ANY_PLAN_NOT_FOUND", "no such plan")
            await context.abort_with_status(to_status(missing))
            raise AssertionError("abort raises")
        if request.plan_id in self.unreachable:
            await context.abort_with_status(to_status(AWAY))
        if self.failure is not None:
            await context.abort_with_status(to_status(self.failure))
        gone = request.plan_id in self.withdrawn
        cost = money.to_proto(self.stored_price or bundle.price, "USD")
        answer = prices_pb2.QuotePlanResponse(
            plan=catalogue_pb2.DataPlan(
                id=request.plan_id,
                name=bundle.name,
                price=cost,
                available_quantity=0 if gone else 10,
                withdrawn=gone,
            ),
            confirmed_at=timestamps.to_proto(self.confirmed_at),
            terms=prices_pb2.PriceTerms(cost=cost),
        )
        self.adjust(answer)
        return answer


class ESIMsStandIn(esims_pb2_grpc.ESIMsServiceServicer):
    """Records the registrations and cancellations, or answers with `failure`."""

    def __init__(self) -> None:
        self.registered: dict[str, esims_pb2.RegisterESIMsRequest] = {}
        self.cancelled: list[str] = []
        self.partly_cancelled: list[tuple[str, list[str]]] = []
        self.tokens: set[str] = set()
        self.suspended: list[str] = []
        self.bundles: list[esims_pb2.ESIMBundle] = []
        self.failure: Failure | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        # ICCIDs; other eSIMs are on no device, and their bundles unused.
        self.installed: set[str] = set()
        self.used: set[str] = set()
        self.reads = 0

    async def BatchListOrderESIMs(
        self, request: Any, context: Any
    ) -> esims_pb2.BatchListOrderESIMsResponse:
        await self._take(context)
        self.reads += 1
        return esims_pb2.BatchListOrderESIMsResponse(
            esims=[
                esims_pb2.ESIM(
                    id=id_of(esim.iccid),
                    iccid=esim.iccid,
                    order_id=order_id,
                    profile_status="Installed" if esim.iccid in self.installed else "Released",
                )
                for order_id in request.order_ids
                if order_id in self.registered
                for esim in self.registered[order_id].esims
            ]
        )

    async def BatchListBundles(
        self, request: Any, context: Any
    ) -> esims_pb2.BatchListBundlesResponse:
        await self._take(context)
        self.reads += 1
        if self.bundles:
            return esims_pb2.BatchListBundlesResponse(bundles=self.bundles)
        names = {
            id_of(esim.iccid): order.bundle_name
            for order in self.registered.values()
            for esim in order.esims
        }
        used = {id_of(iccid) for iccid in self.used}
        return esims_pb2.BatchListBundlesResponse(
            bundles=[
                esims_pb2.ESIMBundle(
                    esim_id=id_,
                    name=names.get(id_, ""),
                    state=esims_pb2.BUNDLE_STATE_ACTIVE
                    if id_ in used
                    else esims_pb2.BUNDLE_STATE_INACTIVE,
                )
                for id_ in request.esim_ids
            ]
        )

    async def RegisterESIMs(self, request: Any, context: Any) -> esims_pb2.RegisterESIMsResponse:
        await self._take(context)
        self.registered[request.order_id] = request
        return esims_pb2.RegisterESIMsResponse()

    async def CancelOrderBundles(
        self, request: Any, context: Any
    ) -> esims_pb2.CancelOrderBundlesResponse:
        await self._take(context)
        if request.iccids:
            self.partly_cancelled.append((request.order_reference, list(request.iccids)))
        else:
            self.cancelled.append(request.order_id)
        return esims_pb2.CancelOrderBundlesResponse()

    async def SuspendESIM(self, request: Any, context: Any) -> esims_pb2.SuspendESIMResponse:
        await self._take(context)
        self.suspended.append(request.esim_id)
        return esims_pb2.SuspendESIMResponse()

    async def _take(self, context: Any) -> None:
        self.tokens |= {str(v) for k, v in context.invocation_metadata() if k == "authorization"}
        await self.may_answer.wait()
        if self.failure is not None:
            await context.abort_with_status(to_status(self.failure))


class TravelersStandIn(travelers_pb2_grpc.TravelersServiceServicer):
    """Records the memberships that are reported and the erased addresses, or answers with `failure`."""

    def __init__(self) -> None:
        self.memberships: list[travelers_pb2.Membership] = []
        self.erased: list[str] = []
        self.failure: Failure | None = None

    async def ApplyMemberships(
        self, request: Any, context: Any
    ) -> travelers_pb2.ApplyMembershipsResponse:
        if self.failure is not None:
            await context.abort_with_status(to_status(self.failure))
        self.memberships += request.memberships
        return travelers_pb2.ApplyMembershipsResponse()

    async def EraseTravelers(
        self, request: Any, context: Any
    ) -> travelers_pb2.EraseTravelersResponse:
        if self.failure is not None:
            await context.abort_with_status(to_status(self.failure))
        self.erased += request.emails
        return travelers_pb2.EraseTravelersResponse()


class ChangesStandIn(changes_pb2_grpc.ChangesServiceServicer):
    """Reports no changes of eSIMs."""

    async def ReadChanges(self, request: Any, context: Any) -> changes_pb2.ReadChangesResponse:
        await asyncio.sleep(request.wait_seconds)
        return changes_pb2.ReadChangesResponse(cursor=request.cursor)
