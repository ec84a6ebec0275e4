"""The catalogue's gRPC methods: requests checked, plans read or changed, answers made."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from kit import page_token, rpc_guard
from kit.auth import Role
from kit.checks import Checks
from kit.db import Connection, Database
from kit.errors import Failure, Kind
from kit.operator_log import Acts
from kit.rpc_guard import Access
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.catalogue.v1 import catalogue_pb2_grpc
from services.catalogue import featured, listing, messages, paging, places, requests, runs, store
from services.catalogue.facets import Facets, filters
from services.catalogue.live import Live
from services.catalogue.plan import PlanFilter, fold
from services.catalogue.shelf import Shelf
from services.catalogue.stocktaking import Stocktaking
from services.catalogue.sync import Sync
from services.catalogue.top_ups import top_ups

# Plans. The largest page holds twice the provider's whole catalogue: some 10 MB.
USUAL_PAGE = 100
MOST_PAGE = 10_000
MOST_BATCH = 1_000
USUAL_FEATURED = 10
USUAL_TOP_UPS = 10
MOST_TOP_UPS = 100
MOST_FEATURED = 50
# Characters; the longest of the provider's bundle names has 24.
MOST_NAME = 200

ACCESS: Mapping[str, Access] = {
    "ListPlans": Access.PUBLIC,
    "GetPlan": Access.PUBLIC,
    "BatchGetPlans": Access.PUBLIC,
    "BatchListTopUpPlans": Access.PUBLIC,
    "ListFeaturedPlans": Access.PUBLIC,
    "ListRegions": Access.PUBLIC,
    "ListCountries": Access.PUBLIC,
    "GetPlanFacets": Access.PUBLIC,
    "WatchRevision": Access.PUBLIC,
    "SetFeaturedPlans": Access.ADMIN,
    "SetPlanHidden": Access.ADMIN,
    "SyncCatalogue": Access.ADMIN,
    "GetSyncStatus": Access.ADMIN,
}
# Logged with these fields where an administrator or an operator makes the call.
ACTS: Acts = {
    "SetFeaturedPlans": ("plan_ids",),
    "SetPlanHidden": ("plan_id", "hidden"),
    "SyncCatalogue": (),
}


class CatalogueServicer(catalogue_pb2_grpc.CatalogueServiceServicer):
    """Reads run in the caller's session, which may be nobody's; row security allows changes."""

    def __init__(
        self, database: Database, sync: Sync, live: Live, stocktaking: Stocktaking
    ) -> None:
        self._database = database
        self._sync = sync
        self._live = live
        self._stocktaking = stocktaking
        self._shelf = Shelf()

    async def ListPlans(self, request: pb.ListPlansRequest, context: Any) -> pb.ListPlansResponse:
        checks = Checks()
        wanted = requests.plan_filter(checks, request.filter)
        size = checks.page_size(request.page_size, USUAL_PAGE, MOST_PAGE)
        order = messages.ORDERS.get(request.order_by)
        if order is None:
            checks.fail("order_by", "must be a value of PlanOrder")
        checks.done()
        assert order is not None  # or checks.done() had raised
        caller = rpc_guard.session()
        if wanted.include_unavailable and caller.role not in (Role.ADMIN, Role.SERVICE):
            raise Failure(
                Kind.FORBIDDEN,
                "FORBIDDEN",
                "Not allowed: filter.include_unavailable needs the session of an administrator",
            )
        listed = pb.ListPlansRequest()
        listed.CopyFrom(request)
        listed.ClearField("without_total")  # a token is good whether or not the total is asked for
        after = page_token.read(listed, request.page_token, paging.key_length(order))
        async with self._database.session(caller) as connection:
            look = await self._stocktaking.look(connection)
            if wanted.min_price is not None or wanted.max_price is not None:
                currency = await listing.currency_of_prices(connection, look.stock)
                requests.check_currency(wanted, currency)
                wanted = replace(wanted, currency=currency)
            page = await listing.list_plans(
                connection,
                wanted,
                order,
                stock=look.stock,
                size=size,
                after=after,
                every_key=request.with_row_tokens,
            )
            if not page.versions and after is None:
                await places.require_known(connection, wanted)
            plans = await self._shelf.messages(connection, page.versions)
            total = 0
            if not request.without_total:
                total = await self._shelf.total(connection, look, wanted)
        return pb.ListPlansResponse(
            plans=plans,
            next_page_token=page_token.write(listed, page.keys[-1]) if page.more else "",
            row_tokens=[page_token.write(listed, key) for key in page.keys]
            if request.with_row_tokens
            else [],
            total_size=total,
        )

    async def GetPlan(self, request: pb.GetPlanRequest, context: Any) -> pb.GetPlanResponse:
        checks = Checks()
        which = request.WhichOneof("plan")
        plan_id = checks.uuid("id", request.id) if which == "id" else None
        if which is None:
            checks.fail("plan", "must have an id or a name")
        elif which == "name" and not checks.words("name", request.name, MOST_NAME):
            checks.fail("name", "must not be blank")
        checks.done()
        async with self._database.session(rpc_guard.session()) as connection:
            if plan_id is None:
                plan = await store.plan_by_name(connection, request.name)
            else:
                plan = next(iter(await store.plans_by_ids(connection, [plan_id])), None)
        if plan is None:
            raise _no_plan(request.id or request.name)
        answer = pb.GetPlanResponse(plan=messages.plan_message(plan))
        if request.tell_confirmed_at:
            # How the readings went is for administrators; when the last one was is for everybody.
            async with self._database.system() as connection:
                run = await runs.last_success(connection)
            if run is not None:
                answer.confirmed_at.FromDatetime(run.started_at)
        return answer

    async def BatchGetPlans(
        self, request: pb.BatchGetPlansRequest, context: Any
    ) -> pb.BatchGetPlansResponse:
        checks = Checks()
        names = list(request.names)
        if len(names) > MOST_BATCH or "" in names:
            checks.fail("names", f"must hold at most {MOST_BATCH} names, none of them empty")
        ids = [] if names and not request.ids else checks.uuids("ids", [*request.ids], MOST_BATCH)
        checks.done()
        async with self._database.session(rpc_guard.session()) as connection:
            plans = await store.plans_by_ids(connection, ids)
            if names:
                known = {plan.id for plan in plans}
                named = await store.plans_by_names(connection, names)
                plans += [plan for plan in named if plan.id not in known]
        return pb.BatchGetPlansResponse(plans=map(messages.plan_message, plans))

    async def BatchListTopUpPlans(
        self, request: pb.BatchListTopUpPlansRequest, context: Any
    ) -> pb.BatchListTopUpPlansResponse:
        checks = Checks()
        ids = checks.uuids("plan_ids", list(request.plan_ids), MOST_BATCH)
        size = checks.page_size(request.page_size, USUAL_TOP_UPS, MOST_TOP_UPS)
        checks.done()
        answer = pb.BatchListTopUpPlansResponse()
        async with self._database.session(rpc_guard.session()) as connection:
            look = await self._stocktaking.look(connection)
            for plan in await store.plans_by_ids(connection, ids):
                fitting = await top_ups(connection, plan, look.stock, size)
                plans = await self._shelf.messages(connection, fitting)
                answer.top_ups.add(plan_id=str(plan.id), plans=plans)
        return answer

    async def ListFeaturedPlans(
        self, request: pb.ListFeaturedPlansRequest, context: Any
    ) -> pb.ListFeaturedPlansResponse:
        checks = Checks()
        size = checks.page_size(request.page_size, USUAL_FEATURED, MOST_FEATURED)
        checks.done()
        async with self._database.session(rpc_guard.session()) as connection:
            plans = await self._shelf.overview(connection, "featured", _featured)
        return pb.ListFeaturedPlansResponse(plans=plans[:size])

    async def ListRegions(
        self, request: pb.ListRegionsRequest, context: Any
    ) -> pb.ListRegionsResponse:
        async with self._database.session(rpc_guard.session()) as connection:
            return await self._shelf.overview(connection, "regions", _regions)

    async def ListCountries(
        self, request: pb.ListCountriesRequest, context: Any
    ) -> pb.ListCountriesResponse:
        checks = Checks()
        wanted = requests.plan_filter(
            checks, pb.PlanFilter(region=request.region if request.HasField("region") else None)
        )
        checks.done()
        async with self._database.session(rpc_guard.session()) as connection:
            whole = await self._shelf.overview(connection, "countries", _countries)
            if wanted.region is None:
                return whole
            rows = [row for row in whole.countries if fold(row.country.region) == wanted.region]
            if not rows:
                await places.require_known(connection, PlanFilter(region=wanted.region))
        return pb.ListCountriesResponse(countries=rows)

    async def GetPlanFacets(
        self, request: pb.GetPlanFacetsRequest, context: Any
    ) -> pb.GetPlanFacetsResponse:
        checks = Checks()
        wanted = requests.plan_filter(checks, request.filter)
        if wanted.include_unavailable:
            checks.fail("filter.include_unavailable", "must be false: what is on sale is counted")
        checks.done()
        async with self._database.session(rpc_guard.session()) as connection:
            look = await self._stocktaking.look(connection)
            if wanted.currency is not None:
                currency = await listing.currency_of_prices(connection, look.stock)
                requests.check_currency(wanted, currency)
                wanted = replace(wanted, currency=None)
            facets = Facets(*await self._shelf.tallies(connection, look, filters(wanted)))
            if not facets.whole.total:
                await places.require_known(connection, wanted)
            countries = await self._shelf.overview(connection, "countries", _countries)
            regions = await self._shelf.overview(connection, "regions", _regions)
        return messages.facets_message(facets, countries, regions)

    async def SetFeaturedPlans(
        self, request: pb.SetFeaturedPlansRequest, context: Any
    ) -> pb.SetFeaturedPlansResponse:
        checks = Checks()
        given = list(request.plan_ids)
        ids = checks.uuids("plan_ids", given, MOST_FEATURED) if given else []
        if len(ids) < len(given) <= MOST_FEATURED:
            checks.fail("plan_ids", "must not hold a plan twice")
        checks.done()
        async with self._database.session(rpc_guard.session()) as connection:
            plans = await featured.choose_featured(connection, ids)
        return pb.SetFeaturedPlansResponse(plans=map(messages.plan_message, plans))

    async def SetPlanHidden(
        self, request: pb.SetPlanHiddenRequest, context: Any
    ) -> pb.SetPlanHiddenResponse:
        checks = Checks()
        plan_id = checks.uuid("plan_id", request.plan_id)
        checks.done()
        async with self._database.session(rpc_guard.session()) as connection:
            if not await store.set_hidden(connection, plan_id, hidden=request.hidden):
                raise _no_plan(request.plan_id)
            [plan] = await store.plans_by_ids(connection, [plan_id])
        return pb.SetPlanHiddenResponse(plan=messages.plan_message(plan))

    async def WatchRevision(
        self, request: pb.WatchRevisionRequest, context: Any
    ) -> AsyncIterator[pb.WatchRevisionResponse]:
        async for revision in self._live.watch():
            yield pb.WatchRevisionResponse(revision=revision)

    async def SyncCatalogue(
        self, request: pb.SyncCatalogueRequest, context: Any
    ) -> AsyncIterator[pb.SyncCatalogueResponse]:
        async for run in self._sync.follow(await self._sync.start()):
            yield messages.progress_message(run)

    async def GetSyncStatus(
        self, request: pb.GetSyncStatusRequest, context: Any
    ) -> pb.GetSyncStatusResponse:
        async with self._database.session(rpc_guard.session()) as connection:
            last = await runs.last(connection)
            success = await runs.last_success(connection)
            running = await runs.unfinished(connection)
        return pb.GetSyncStatusResponse(
            last=messages.run_message(last),
            last_success=messages.run_message(success),
            running=running is not None,
        )


async def _featured(connection: Connection) -> list[pb.DataPlan]:
    plans = await featured.featured(connection, MOST_FEATURED)
    return [messages.plan_message(plan) for plan in plans]


async def _regions(connection: Connection) -> pb.ListRegionsResponse:
    rows = await store.regions(connection)
    return pb.ListRegionsResponse(regions=map(messages.region_message, rows))


async def _countries(connection: Connection) -> pb.ListCountriesResponse:
    rows = await store.countries(connection)
    return pb.ListCountriesResponse(countries=map(messages.country_summary, rows))


def _no_plan(name: str) -> Failure:
    return Failure(
        Kind.NOT_FOUND,
        "PLAN_NOT_FOUND",
        f"There is no plan {name}; list the plans for those there are",
    )
