"""The gRPC methods of the eSIMs service."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context, time_left
from kit.values import checks
from kit.values.clock import Clock
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import esims_pb2_grpc, events_pb2
from services.esims import (
    bundle_store,
    cancel,
    customer_store,
    find,
    list_esims,
    messages,
    requests,
    store,
)
from services.esims.bundle import Bundle
from services.esims.callbacks import event_messages
from services.esims.callbacks.apply import Events
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM, ProviderState
from services.esims.live import Live
from services.esims.refresh import Refresh
from services.esims.register import Registration
from services.esims.snapshots.fetch import Fetcher
from services.esims.snapshots.query_bundle import bundle_status
from services.esims.suspend import Suspension
from services.esims.update_reference import ReferenceUpdates


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that the methods call."""

    database: Database
    clock: Clock
    source: ESIMsDataSource
    fetcher: Fetcher
    registration: Registration
    suspension: Suspension
    references: ReferenceUpdates
    refresh: Refresh
    events: Events
    live: Live


class ESIMsServicer(esims_pb2_grpc.ESIMsServiceServicer):
    """Checks requests, and returns only what the caller's session may see."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._database = parts.database
        self._source = parts.source

    async def RegisterESIMs(
        self, request: pb.RegisterESIMsRequest, context: Context
    ) -> pb.RegisterESIMsResponse:
        delivery, esims, travelers = requests.delivery(request)
        if request.top_up:
            iccids = [iccid for iccid, _, _ in esims]
            saved = await self._parts.registration.top_up(delivery, iccids)
        else:
            saved = await self._parts.registration.register(delivery, esims, travelers)
        return pb.RegisterESIMsResponse(esims=messages.esims_to_proto(saved))

    async def CancelOrderBundles(
        self, request: pb.CancelOrderBundlesRequest, context: Context
    ) -> pb.CancelOrderBundlesResponse:
        saved = await cancel.cancel_order_bundles(
            self._database, self._parts.clock, requests.cancelled(request)
        )
        return pb.CancelOrderBundlesResponse(esims=messages.esims_to_proto(saved))

    async def ApplyEvents(
        self, request: events_pb2.ApplyEventsRequest, context: Context
    ) -> events_pb2.ApplyEventsResponse:
        results = await self._parts.events.apply(event_messages.events_from_proto(request))
        return event_messages.results_to_proto(request, results)

    async def ListESIMs(
        self, request: pb.ListESIMsRequest, context: Context
    ) -> pb.ListESIMsResponse:
        listed = await list_esims.list_page(
            self._database,
            self._parts.fetcher,
            rpc_guard.session(),
            requests.page(request),
            time_left(),
        )
        page = listed.esims
        return pb.ListESIMsResponse(
            esims=messages.esims_to_proto(page),
            next_page_token=requests.next_page(request, page[-1]) if listed.more else "",
            row_tokens=[requests.next_page(request, esim) for esim in page]
            if request.with_row_tokens
            else [],
            bundles=map(messages.bundle_to_proto, listed.bundles),
            usages=messages.usages_to_proto(page, listed.bundles) if request.with_bundles else [],
            total_size=listed.total,
        )

    async def GetESIM(self, request: pb.GetESIMRequest, context: Context) -> pb.GetESIMResponse:
        session, esim = await self._found(request.esim_id)
        await self._parts.fetcher.refresh([esim], time_left=time_left())
        esim = await find.one(self._database, session, esim.id)
        return pb.GetESIMResponse(esim=messages.esim_to_proto(esim))

    async def BatchGetESIMs(
        self, request: pb.BatchGetESIMsRequest, context: Context
    ) -> pb.BatchGetESIMsResponse:
        found = await self._many(request.esim_ids)
        return pb.BatchGetESIMsResponse(esims=messages.esims_to_proto(found))

    async def BatchListOrderESIMs(
        self, request: pb.BatchListOrderESIMsRequest, context: Context
    ) -> pb.BatchListOrderESIMsResponse:
        order_ids = checks.ids("order_ids", request.order_ids, requests.MAX_BATCH)
        async with self._database.session(rpc_guard.session()) as connection:
            found = await store.list_of_orders(connection, order_ids)
        return pb.BatchListOrderESIMsResponse(esims=messages.esims_to_proto(found))

    async def BatchListBundles(
        self, request: pb.BatchListBundlesRequest, context: Context
    ) -> pb.BatchListBundlesResponse:
        _, bundles = await self._fresh_bundles(request.esim_ids)
        return pb.BatchListBundlesResponse(bundles=map(messages.bundle_to_proto, bundles))

    async def BatchGetUsage(
        self, request: pb.BatchGetUsageRequest, context: Context
    ) -> pb.BatchGetUsageResponse:
        esims, bundles = await self._fresh_bundles(request.esim_ids)
        return pb.BatchGetUsageResponse(usages=messages.usages_to_proto(esims, bundles))

    async def GetBundleStatus(
        self, request: pb.GetBundleStatusRequest, context: Context
    ) -> pb.GetBundleStatusResponse:
        name = requests.bundle_name(request.bundle_name)
        session, esim = await self._found(request.esim_id)
        parts = self._parts
        await bundle_status(self._database, parts.source, parts.clock, esim, name)
        async with self._database.session(session) as connection:
            bundles = await bundle_store.list_of_esims(connection, [esim.id])
        return pb.GetBundleStatusResponse(
            bundles=[messages.bundle_to_proto(b) for b in bundles if b.assignment.name == name]
        )

    async def GetInstallDetails(
        self, request: pb.GetInstallDetailsRequest, context: Context
    ) -> pb.GetInstallDetailsResponse:
        _, esim = await self._found(request.esim_id)
        if esim.provider_state is ProviderState.DEACTIVATED:
            raise Failure(
                Kind.REFUSED,
                "ESIM_DELETED",
                "The provider has deleted this eSIM, so it can't be installed; buy another one",
            )
        details = await self._source.get_install_details(esim.iccid)
        if esim.installable and details.matching_id != esim.matching_id:
            # They were cached before the eSIM got another code.
            await self._source.forget(esim.iccid)
            details = await self._source.get_install_details(esim.iccid)
        return messages.install_to_proto(details, esim)

    async def UpdateESIMReference(
        self, request: pb.UpdateESIMReferenceRequest, context: Context
    ) -> pb.UpdateESIMReferenceResponse:
        esim_id, reference = requests.reference(request)
        esim = await self._parts.references.update(rpc_guard.session(), esim_id, reference)
        return pb.UpdateESIMReferenceResponse(esim=messages.esim_to_proto(esim))

    async def SuspendESIM(
        self, request: pb.SuspendESIMRequest, context: Context
    ) -> pb.SuspendESIMResponse:
        esim = await self._parts.suspension.suspend(
            rpc_guard.session(), checks.one_id("esim_id", request.esim_id), time_left()
        )
        return pb.SuspendESIMResponse(esim=messages.esim_to_proto(esim))

    async def RestoreESIM(
        self, request: pb.RestoreESIMRequest, context: Context
    ) -> pb.RestoreESIMResponse:
        esim = await self._parts.suspension.restore(
            rpc_guard.session(), checks.one_id("esim_id", request.esim_id)
        )
        return pb.RestoreESIMResponse(esim=messages.esim_to_proto(esim))

    async def GetLocation(
        self, request: pb.GetLocationRequest, context: Context
    ) -> pb.GetLocationResponse:
        _, esim = await self._found(request.esim_id)
        return messages.location_to_proto(await self._parts.source.get_location(esim.iccid))

    async def ListHistory(
        self, request: pb.ListHistoryRequest, context: Context
    ) -> pb.ListHistoryResponse:
        _, esim = await self._found(request.esim_id)
        return messages.history_to_proto(await self._parts.source.get_history(esim.iccid))

    async def RefreshESIM(
        self, request: pb.RefreshESIMRequest, context: Context
    ) -> pb.RefreshESIMResponse:
        esim = await self._parts.refresh.refresh(
            rpc_guard.session(), checks.one_id("esim_id", request.esim_id), time_left()
        )
        return pb.RefreshESIMResponse(esim=messages.esim_to_proto(esim))

    async def CheckCompatibility(
        self, request: pb.CheckCompatibilityRequest, context: Context
    ) -> pb.CheckCompatibilityResponse:
        name = requests.bundle_name(request.bundle_name)
        _, esim = await self._found(request.esim_id)
        compatible = await self._parts.source.check_compatibility(esim.iccid, name)
        return pb.CheckCompatibilityResponse(compatible=compatible)

    async def WatchESIMs(
        self, request: pb.WatchESIMsRequest, context: Context
    ) -> AsyncIterator[pb.WatchESIMsResponse]:
        session = rpc_guard.session()
        ids = requests.watched(request, session)
        async for seen in self._parts.live.watch(session, ids):
            yield pb.WatchESIMsResponse(esims=map(messages.update_to_proto, seen))

    async def ExportCustomer(
        self, request: pb.ExportCustomerRequest, context: Context
    ) -> AsyncIterator[pb.ExportCustomerResponse]:
        customer_id, emails = requests.export(request)
        for table, row in await customer_store.export(self._database, customer_id, emails):
            yield pb.ExportCustomerResponse(table=table, row_json=row)

    async def EraseCustomer(
        self, request: pb.EraseCustomerRequest, context: Context
    ) -> pb.EraseCustomerResponse:
        customer_id, ids = requests.erasure(request)
        iccids = await customer_store.erase(self._database, customer_id, ids)
        # The cache has their locations and install details.
        await asyncio.gather(*map(self._source.forget, iccids))
        return pb.EraseCustomerResponse(esims=len(iccids))

    async def _found(self, esim_id: str) -> tuple[Session, ESIM]:
        """Return the caller's session and an eSIM that it may see; raises Failure NOT_FOUND."""
        session = rpc_guard.session()
        return session, await find.one(self._database, session, checks.one_id("esim_id", esim_id))

    async def _many(self, ids: Sequence[str]) -> list[ESIM]:
        checked = checks.ids("esim_ids", ids, requests.MAX_BATCH)
        async with self._database.session(rpc_guard.session()) as connection:
            return await store.get_many(connection, checked)

    async def _fresh_bundles(self, ids: Sequence[str]) -> tuple[list[ESIM], list[Bundle]]:
        """Return the eSIMs that the caller may see and their bundles, refreshed if there is time."""
        seen = await self._many(ids)
        await self._parts.fetcher.refresh(seen, time_left=time_left())
        async with self._database.session(rpc_guard.session()) as connection:
            seen_ids = [esim.id for esim in seen]
            esims = await store.get_many(connection, seen_ids)
            return esims, await bundle_store.list_of_esims(connection, seen_ids)
