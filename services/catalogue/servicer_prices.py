"""The gRPC methods of the prices service."""

from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values import checks, page_token, timestamps
from protos.catalogue.v1 import prices_pb2 as pb
from protos.catalogue.v1 import prices_pb2_grpc
from services.catalogue.prices import (
    change,
    explain,
    messages,
    rate_messages,
    rate_requests,
    rates,
    requests,
    rule_store,
)
from services.catalogue.prices.rate_updates import RateUpdates
from services.catalogue.quote_plan import quote, quotes
from services.catalogue.sync import run_store


class PricesServicer(prices_pb2_grpc.PricesServiceServicer):
    """Reads and changes prices as the system, because the guard has checked the caller."""

    def __init__(self, database: Database, updates: RateUpdates) -> None:
        self._database = database
        self._updates = updates

    async def GetPriceRules(
        self, request: pb.GetPriceRulesRequest, context: Context
    ) -> pb.GetPriceRulesResponse:
        version = requests.version(request)
        async with self._database.system() as connection:
            if version is None:
                found = await rule_store.current(connection)
            else:
                stored = await rule_store.by_version(connection, version)
                if stored is None:
                    raise _no_version(version)
                found = stored
        return pb.GetPriceRulesResponse(rule_set=messages.version_message(found))

    async def ListPriceRuleVersions(
        self, request: pb.ListPriceRuleVersionsRequest, context: Context
    ) -> pb.ListPriceRuleVersionsResponse:
        before, size = requests.versions(request)
        async with self._database.system() as connection:
            found = await rule_store.versions(connection, before, size + 1)
        page = found[:size]
        return pb.ListPriceRuleVersionsResponse(
            versions=[messages.version_message(one, with_rules=False) for one in page],
            next_page_token=requests.next_page(request, str(page[-1].version))
            if len(found) > size
            else "",
        )

    async def SetPriceRules(
        self, request: pb.SetPriceRulesRequest, context: Context
    ) -> pb.SetPriceRulesResponse:
        async with self._database.system() as connection:
            version, result = await change.set_rules(
                connection, request, rpc_guard.session().user_id
            )
        return pb.SetPriceRulesResponse(
            rule_set=messages.version_message(version),
            changed=result.changed,
            unsellable=result.unsellable,
        )

    async def PreviewPrices(
        self, request: pb.PreviewPricesRequest, context: Context
    ) -> pb.PreviewPricesResponse:
        async with self._database.system(snapshot=True) as connection:
            return pb.PreviewPricesResponse(lists=await change.preview_rules(connection, request))

    async def ExplainPrice(
        self, request: pb.ExplainPriceRequest, context: Context
    ) -> pb.ExplainPriceResponse:
        plan = requests.plan(request)
        async with self._database.system(snapshot=True) as connection:
            return await explain.explain(connection, plan, request.currency, request.plan)

    async def ListPriceHistory(
        self, request: pb.ListPriceHistoryRequest, context: Context
    ) -> pb.ListPriceHistoryResponse:
        plan, before, size = requests.history(request)
        async with self._database.system(snapshot=True) as connection:
            found = await explain.history(
                connection, plan, request.currency, before, size + 1, request.plan
            )
        token = ""
        if len(found) > size:
            last = timestamps.from_proto(found[size - 1].valid_from)
            token = page_token.write_position(request, last, plan)
        return pb.ListPriceHistoryResponse(prices=found[:size], next_page_token=token)

    async def ListPlanPrices(
        self, request: pb.ListPlanPricesRequest, context: Context
    ) -> pb.ListPlanPricesResponse:
        after, size = requests.prices(request)
        async with self._database.system(snapshot=True) as connection:
            found = await explain.listing(
                connection,
                request.currency,
                after,
                size + 1,
                only_unsellable=request.only_unsellable,
            )
        more = len(found) > size
        return pb.ListPlanPricesResponse(
            prices=found[:size],
            next_page_token=requests.next_page(request, found[size - 1].plan_name) if more else "",
        )

    async def GetExchangeRates(
        self, request: pb.GetExchangeRatesRequest, context: Context
    ) -> pb.GetExchangeRatesResponse:
        async with self._database.system() as connection:
            found = await rates.listed(connection)
        return pb.GetExchangeRatesResponse(rates=map(rate_messages.to_proto, found))

    async def SetExchangeRates(
        self, request: pb.SetExchangeRatesRequest, context: Context
    ) -> pb.SetExchangeRatesResponse:
        wanted = rate_requests.rates(request)
        async with self._database.system() as connection:
            changed = await rates.set_by_hand(connection, wanted, accept_jump=request.accept_jump)
            found = await rates.listed(connection)
        self._updates.loop.wake()  # so that metrics show it at once
        return pb.SetExchangeRatesResponse(
            rates=map(rate_messages.to_proto, found), changed=changed
        )

    async def ListTaxRates(
        self, request: pb.ListTaxRatesRequest, context: Context
    ) -> pb.ListTaxRatesResponse:
        async with self._database.system() as connection:
            rows = await rule_store.tax_rates(connection)
        return pb.ListTaxRatesResponse(rates=map(messages.tax_rate_message, rows))

    async def SetTaxRates(
        self, request: pb.SetTaxRatesRequest, context: Context
    ) -> pb.SetTaxRatesResponse:
        tax_rates = requests.tax_rates(request)
        async with self._database.system() as connection:
            result = await change.set_tax_rates(connection, tax_rates)
            rows = await rule_store.tax_rates(connection)
        return pb.SetTaxRatesResponse(
            rates=map(messages.tax_rate_message, rows), changed=result.changed
        )

    async def QuotePlan(
        self, request: pb.QuotePlanRequest, context: Context
    ) -> pb.QuotePlanResponse:
        plan = checks.one_id("plan_id", request.plan_id)
        # Prices may change while they are read.
        async with self._database.system(snapshot=True) as connection:
            at = await run_store.confirmed_at(connection)
            return await quote(connection, plan, request.currency, at)

    async def BatchQuotePlans(
        self, request: pb.BatchQuotePlansRequest, context: Context
    ) -> pb.BatchQuotePlansResponse:
        plans = checks.ids("plan_ids", request.plan_ids, requests.MAX_QUOTED)
        async with self._database.system(snapshot=True) as connection:
            at = await run_store.confirmed_at(connection)
            found = await quotes(connection, plans, request.currency, at)
        return pb.BatchQuotePlansResponse(quotes=found)


def _no_version(version: int) -> Failure:
    return Failure(
        Kind.NOT_FOUND,
        "VERSION_NOT_FOUND",
        f"There is no version {version} of the price rules; leave the version out for the current one, or"
        " list them with ListPriceRuleVersions",
    )
