"""The gRPC methods of the catalogue service."""

from collections.abc import AsyncIterator
from dataclasses import replace

from kit.db.database import Database
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values.plain_text import fold
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.catalogue.v1 import catalogue_pb2_grpc
from services.catalogue import (
    check_places,
    featured_store,
    find_plan,
    list_plans,
    messages,
    overviews,
    requests,
    store,
)
from services.catalogue.curation import requests as curation_requests
from services.catalogue.curation import store as curation_store
from services.catalogue.curation.plan_messages import plan_messages
from services.catalogue.facets import Facets, filters
from services.catalogue.language import locales
from services.catalogue.list_top_ups import top_ups
from services.catalogue.live import Live
from services.catalogue.networks import store as network_store
from services.catalogue.plan import PlanFilter
from services.catalogue.plan_cache import PlanCache
from services.catalogue.snapshot.refresh import Snapshots
from services.catalogue.sync import run_store
from services.catalogue.sync.sync import Sync


class CatalogueServicer(catalogue_pb2_grpc.CatalogueServiceServicer):
    """Reads and changes plans in the caller's session, which may be anonymous."""

    def __init__(self, database: Database, sync: Sync, live: Live, snapshots: Snapshots) -> None:
        self._database = database
        self._sync = sync
        self._live = live
        self._snapshots = snapshots
        self._cache = PlanCache()
        self._lookup = find_plan.Lookup()

    async def ListPlans(
        self, request: pb.ListPlansRequest, context: Context
    ) -> pb.ListPlansResponse:
        caller = rpc_guard.session()
        listing = requests.listing(request, caller)
        locale = locales.of_request(request.locale)
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
            plans = await self._cache.messages(connection, current.source, page.versions, locale)
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
        locale = locales.of_request(request.locale)
        async with self._database.session(rpc_guard.session()) as connection:
            ids, names = ([], [request.name]) if plan_id is None else ([plan_id], [])
            source, found = await self._lookup.find(
                connection, request.currency, ids=ids, names=names
            )
            if not found:
                raise find_plan.unknown(request.id or request.name)
            [plan] = await self._cache.messages(connection, source, found, locale)
        answer = pb.GetPlanResponse(plan=plan)
        if request.tell_confirmed_at:
            # The results of syncs are for administrators; the time of the last one is public.
            async with self._database.system() as connection:
                at = await run_store.confirmed_at(connection)
            if at is not None:
                answer.confirmed_at.FromDatetime(at)
        return answer

    async def BatchGetPlans(
        self, request: pb.BatchGetPlansRequest, context: Context
    ) -> pb.BatchGetPlansResponse:
        ids, names = requests.batch(request)
        locale = locales.of_request(request.locale)
        async with self._database.session(rpc_guard.session()) as connection:
            source, found = await self._lookup.find(
                connection, request.currency, ids=ids, names=names
            )
            plans = await self._cache.messages(connection, source, found, locale)
        return pb.BatchGetPlansResponse(plans=plans)

    async def BatchListTopUpPlans(
        self, request: pb.BatchListTopUpPlansRequest, context: Context
    ) -> pb.BatchListTopUpPlansResponse:
        ids, size = requests.top_ups(request)
        locale = locales.of_request(request.locale)
        answer = pb.BatchListTopUpPlansResponse()
        async with self._database.session(rpc_guard.session()) as connection:
            current = await self._snapshots.current(connection, request.currency)
            source = current.source
            for plan in await store.plans_by_ids(connection, source, ids):
                fitting = await top_ups(connection, source, plan, current.snapshot, size)
                plans = await self._cache.messages(connection, source, fitting, locale)
                answer.top_ups.add(plan_id=str(plan.id), plans=plans)
        return answer

    async def ListFeaturedPlans(
        self, request: pb.ListFeaturedPlansRequest, context: Context
    ) -> pb.ListFeaturedPlansResponse:
        size = requests.featured(request)
        locale = locales.of_request(request.locale)
        async with self._database.session(rpc_guard.session()) as connection:
            prices = await find_plan.prices(connection, request.currency)
            plans = await self._cache.overview(
                connection, prices, "featured", overviews.featured, locale
            )
        return pb.ListFeaturedPlansResponse(plans=plans[:size])

    async def ListRegions(
        self, request: pb.ListRegionsRequest, context: Context
    ) -> pb.ListRegionsResponse:
        locales.of_request(
            request.locale
        )  # only checked: names of regions are English filter values
        async with self._database.session(rpc_guard.session()) as connection:
            prices = await find_plan.prices(connection, request.currency)
            return await self._cache.overview(connection, prices, "regions", overviews.regions)

    async def ListCountries(
        self, request: pb.ListCountriesRequest, context: Context
    ) -> pb.ListCountriesResponse:
        region = requests.region(request)
        locale = locales.of_request(request.locale)
        async with self._database.session(rpc_guard.session()) as connection:
            prices = await find_plan.prices(connection, request.currency)
            whole = await self._cache.overview(
                connection, prices, "countries", overviews.countries, locale
            )
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
        locale = locales.of_request(request.locale)
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
            countries = await self._cache.overview(
                connection, current, "countries", overviews.countries, locale
            )
            regions = await self._cache.overview(connection, current, "regions", overviews.regions)
        return messages.facets_message(facets, countries, regions)

    async def SetFeaturedPlans(
        self, request: pb.SetFeaturedPlansRequest, context: Context
    ) -> pb.SetFeaturedPlansResponse:
        ids = requests.choice(request)
        async with self._database.session(rpc_guard.session()) as connection:
            source = (await find_plan.prices(connection)).source
            plans = await featured_store.choose_featured(connection, source, ids)
            chosen = await plan_messages(connection, plans)
        return pb.SetFeaturedPlansResponse(plans=chosen)

    async def SetPlanHidden(
        self, request: pb.SetPlanHiddenRequest, context: Context
    ) -> pb.SetPlanHiddenResponse:
        plan_id = requests.plan_id(request.plan_id)
        async with self._database.session(rpc_guard.session()) as connection:
            if not await store.set_hidden(connection, plan_id, hidden=request.hidden):
                raise find_plan.unknown(request.plan_id)
            plan = await find_plan.by_id(connection, plan_id)
        return pb.SetPlanHiddenResponse(plan=plan)

    async def SetPlanTexts(
        self, request: pb.SetPlanTextsRequest, context: Context
    ) -> pb.SetPlanTextsResponse:
        plan_id, locale, texts = curation_requests.texts(request)
        async with self._database.session(rpc_guard.session()) as connection:
            await find_plan.by_id(connection, plan_id)
            await curation_store.set_texts(connection, plan_id, locale, texts)
            plan = await find_plan.by_id(connection, plan_id, locale)
        return pb.SetPlanTextsResponse(plan=plan)

    async def SetPlanDisplay(
        self, request: pb.SetPlanDisplayRequest, context: Context
    ) -> pb.SetPlanDisplayResponse:
        plan_id, image_url, badges = curation_requests.display(request)
        async with self._database.session(rpc_guard.session()) as connection:
            await find_plan.by_id(connection, plan_id)
            await curation_store.set_display(connection, plan_id, image_url, badges)
            plan = await find_plan.by_id(connection, plan_id)
        return pb.SetPlanDisplayResponse(plan=plan)

    async def BatchListNetworks(
        self, request: pb.BatchListNetworksRequest, context: Context
    ) -> pb.BatchListNetworksResponse:
        isos = curation_requests.isos(request, requests.MAX_BATCH)
        async with self._database.session(rpc_guard.session()) as connection:
            found = await network_store.networks_of(connection, isos)
        return pb.BatchListNetworksResponse(countries=found)

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
