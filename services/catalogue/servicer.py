"""The gRPC methods of the catalogue service."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, TypeAlias

import grpc

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.catalogue.v1 import catalogue_pb2_grpc
from services.catalogue import check_places, featured_store, list_plans, messages, requests, store
from services.catalogue.facets import Facets, filters
from services.catalogue.list_top_ups import top_ups
from services.catalogue.live import Live
from services.catalogue.plan import PlanFilter, fold
from services.catalogue.plan_cache import PlanCache
from services.catalogue.price_lists import Prices, Source, choose
from services.catalogue.snapshot.refresh import Snapshots
from services.catalogue.sync import run_store
from services.catalogue.sync.sync import Sync

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class CatalogueServicer(catalogue_pb2_grpc.CatalogueServiceServicer):
    """Reads and changes plans in the caller's session, which may be anonymous."""

    def __init__(self, database: Database, sync: Sync, live: Live, snapshots: Snapshots) -> None:
        self._database = database
        self._sync = sync
        self._live = live
        self._snapshots = snapshots
        self._cache = PlanCache()

    async def ListPlans(
        self, request: pb.ListPlansRequest, context: Context
    ) -> pb.ListPlansResponse:
        caller = rpc_guard.session()
        listing = requests.listing(request, caller)
        criteria = listing.criteria
        async with self._database.session(caller) as connection:
            current = await self._snapshots.current(connection, request.currency)
            if criteria.min_price is not None or criteria.max_price is not None:
                currency = await list_plans.currency_of_prices(
                    connection, current.source, current.snapshot
                )
                requests.check_currency(criteria, currency)
                criteria = replace(criteria, currency=currency)
            page = await list_plans.list_plans(
                connection,
                current.source,
                criteria,
                listing.order,
                snapshot=current.snapshot,
                size=listing.size,
                after=listing.after,
                every_key=request.with_row_tokens,
            )
            if not page.versions and listing.after is None:
                await check_places.require_known(connection, criteria)
            plans = await self._cache.messages(connection, current.source, page.versions)
            total = 0
            if not request.without_total:
                total = await self._cache.total(connection, current, criteria)
        return pb.ListPlansResponse(
            plans=plans,
            next_page_token=requests.next_page(request, page.keys[-1]) if page.more else "",
            row_tokens=[requests.next_page(request, key) for key in page.keys]
            if request.with_row_tokens
            else [],
            total_size=total,
        )

    async def GetPlan(self, request: pb.GetPlanRequest, context: Context) -> pb.GetPlanResponse:
        plan_id = requests.plan(request)
        async with self._database.session(rpc_guard.session()) as connection:
            source = (await _prices(connection, request.currency)).source
            if plan_id is None:
                found = await store.plans_by_names(connection, source, [request.name])
            else:
                found = await store.plans_by_ids(connection, source, [plan_id])
        if not found:
            raise _no_plan(request.id or request.name)
        answer = pb.GetPlanResponse(plan=messages.plan_message(found[0]))
        if request.tell_confirmed_at:
            # The results of syncs are for administrators; the time of the last one is public.
            async with self._database.system() as connection:
                run = await run_store.last_success(connection)
            if run is not None:
                answer.confirmed_at.FromDatetime(run.started_at)
        return answer

    async def BatchGetPlans(
        self, request: pb.BatchGetPlansRequest, context: Context
    ) -> pb.BatchGetPlansResponse:
        ids, names = requests.batch(request)
        async with self._database.session(rpc_guard.session()) as connection:
            source = (await _prices(connection, request.currency)).source
            plans = await store.plans_by_ids(connection, source, ids)
            if names:
                known = {plan.id for plan in plans}
                named = await store.plans_by_names(connection, source, names)
                plans += [plan for plan in named if plan.id not in known]
        return pb.BatchGetPlansResponse(plans=map(messages.plan_message, plans))

    async def BatchListTopUpPlans(
        self, request: pb.BatchListTopUpPlansRequest, context: Context
    ) -> pb.BatchListTopUpPlansResponse:
        ids, size = requests.top_ups(request)
        answer = pb.BatchListTopUpPlansResponse()
        async with self._database.session(rpc_guard.session()) as connection:
            current = await self._snapshots.current(connection, request.currency)
            source = current.source
            for plan in await store.plans_by_ids(connection, source, ids):
                fitting = await top_ups(connection, source, plan, current.snapshot, size)
                plans = await self._cache.messages(connection, source, fitting)
                answer.top_ups.add(plan_id=str(plan.id), plans=plans)
        return answer

    async def ListFeaturedPlans(
        self, request: pb.ListFeaturedPlansRequest, context: Context
    ) -> pb.ListFeaturedPlansResponse:
        size = requests.featured(request)
        async with self._database.session(rpc_guard.session()) as connection:
            prices = await _prices(connection, request.currency)
            plans = await self._cache.overview(connection, prices, "featured", _featured)
        return pb.ListFeaturedPlansResponse(plans=plans[:size])

    async def ListRegions(
        self, request: pb.ListRegionsRequest, context: Context
    ) -> pb.ListRegionsResponse:
        async with self._database.session(rpc_guard.session()) as connection:
            prices = await _prices(connection, request.currency)
            return await self._cache.overview(connection, prices, "regions", _regions)

    async def ListCountries(
        self, request: pb.ListCountriesRequest, context: Context
    ) -> pb.ListCountriesResponse:
        region = requests.region(request)
        async with self._database.session(rpc_guard.session()) as connection:
            prices = await _prices(connection, request.currency)
            whole = await self._cache.overview(connection, prices, "countries", _countries)
            if region is None:
                return whole
            rows = [row for row in whole.countries if fold(row.country.region) == region]
            if not rows:
                await check_places.require_known(connection, PlanFilter(region=region))
        return pb.ListCountriesResponse(countries=rows)

    async def GetPlanFacets(
        self, request: pb.GetPlanFacetsRequest, context: Context
    ) -> pb.GetPlanFacetsResponse:
        criteria = requests.facets(request)
        async with self._database.session(rpc_guard.session()) as connection:
            current = await self._snapshots.current(connection, request.currency)
            if criteria.currency is not None:
                currency = await list_plans.currency_of_prices(
                    connection, current.source, current.snapshot
                )
                requests.check_currency(criteria, currency)
                criteria = replace(criteria, currency=None)
            facets = Facets(*await self._cache.tallies(connection, current, filters(criteria)))
            if not facets.whole.total:
                await check_places.require_known(connection, criteria)
            countries = await self._cache.overview(connection, current, "countries", _countries)
            regions = await self._cache.overview(connection, current, "regions", _regions)
        return messages.facets_message(facets, countries, regions)

    async def SetFeaturedPlans(
        self, request: pb.SetFeaturedPlansRequest, context: Context
    ) -> pb.SetFeaturedPlansResponse:
        ids = requests.choice(request)
        async with self._database.session(rpc_guard.session()) as connection:
            source = (await _prices(connection)).source
            plans = await featured_store.choose_featured(connection, source, ids)
        return pb.SetFeaturedPlansResponse(plans=map(messages.plan_message, plans))

    async def SetPlanHidden(
        self, request: pb.SetPlanHiddenRequest, context: Context
    ) -> pb.SetPlanHiddenResponse:
        plan_id = requests.plan_id(request.plan_id)
        async with self._database.session(rpc_guard.session()) as connection:
            if not await store.set_hidden(connection, plan_id, hidden=request.hidden):
                raise _no_plan(request.plan_id)
            source = (await _prices(connection)).source
            [plan] = await store.plans_by_ids(connection, source, [plan_id])
        return pb.SetPlanHiddenResponse(plan=messages.plan_message(plan))

    async def WatchRevision(
        self, request: pb.WatchRevisionRequest, context: Context
    ) -> AsyncIterator[pb.WatchRevisionResponse]:
        async for revision in self._live.watch():
            yield pb.WatchRevisionResponse(revision=revision)

    async def SyncCatalogue(
        self, request: pb.SyncCatalogueRequest, context: Context
    ) -> AsyncIterator[pb.SyncCatalogueResponse]:
        async for run in self._sync.follow(await self._sync.start()):
            yield messages.progress_message(run)

    async def GetSyncStatus(
        self, request: pb.GetSyncStatusRequest, context: Context
    ) -> pb.GetSyncStatusResponse:
        async with self._database.session(rpc_guard.session()) as connection:
            last = await run_store.last(connection)
            success = await run_store.last_success(connection)
            running = await run_store.unfinished(connection)
        return pb.GetSyncStatusResponse(
            last=messages.run_message(last),
            last_success=messages.run_message(success),
            running=running is not None,
        )


async def _prices(connection: Connection, currency: str = "") -> Prices:
    """Return the prices in a currency now; raises Failure INVALID (UNKNOWN_CURRENCY)."""
    revision = await store.revision(connection)
    return Prices(revision.number, await choose(connection, revision, currency))


async def _featured(connection: Connection, source: Source) -> list[pb.DataPlan]:
    plans = await featured_store.featured(connection, source, requests.MAX_FEATURED)
    return [messages.plan_message(plan) for plan in plans]


async def _regions(connection: Connection, source: Source) -> pb.ListRegionsResponse:
    rows = await store.regions(connection, source)
    return pb.ListRegionsResponse(regions=map(messages.region_message, rows))


async def _countries(connection: Connection, source: Source) -> pb.ListCountriesResponse:
    rows = await store.countries(connection, source)
    return pb.ListCountriesResponse(countries=map(messages.country_summary, rows))


def _no_plan(name: str) -> Failure:
    return Failure(
        Kind.NOT_FOUND,
        "PLAN_NOT_FOUND",
        f"There is no plan {name}; call ListPlans for the existing ones",
    )
