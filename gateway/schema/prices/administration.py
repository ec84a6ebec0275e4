"""Operations for the finance staff: price lists, pricing rules, and the computed prices."""

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Annotated, TypeVar

import strawberry

from gateway.errors import naming
from gateway.execution.auth import finance_field
from gateway.execution.views import views
from gateway.schema import results
from gateway.schema.connections import OF_FIELD, AfterArgument, page_of, page_size
from gateway.schema.plans.queries import PlanIdArgument
from gateway.schema.prices.computed import PlanPrice, PlanPricePage, PriceExplanation, PricePreview
from gateway.schema.prices.inputs import PriceListInput, PriceRuleInput
from gateway.schema.prices.price_lists import PriceRuleSet, PriceRuleVersion, PriceRuleVersionPage
from gateway.upstream.calls import WRITE_TIMEOUT
from gateway.upstream.context import Context, Info
from kit.errors import Failure
from protos.catalogue.v1 import prices_pb2

Answer = TypeVar("Answer")

MAX_VERSIONS = 100
MAX_HISTORY = 500
MAX_PRICES = 1_000
MAX_WORST = 200

CurrencyArgument = Annotated[
    str | None,
    strawberry.argument(
        description="ISO 4217 code of a price list. Omit for the first list, the default."
    ),
]
RulesArgument = Annotated[
    list[PriceRuleInput],
    strawberry.argument(description="All rules, by priority; at most 1,000."),
]
PriceListsArgument = Annotated[
    list[PriceListInput] | None,
    strawberry.argument(
        description="All price lists, the default first; at most 10. Omit to keep the current lists."
    ),
]


@strawberry.type(description="Result of `setPriceRules`.")
class SetPriceRulesResult:
    success: bool = strawberry.field(description="True if the rules and all prices were replaced.")
    rule_set: PriceRuleSet | None = strawberry.field(
        default=None, description="The new version; null if the request was refused."
    )
    changed: int = strawberry.field(default=0, description="Number of prices that changed.")
    unsellable: int = strawberry.field(
        default=0,
        description="Number of plans for which no allowed price keeps the minimum margin, over all lists.",
    )
    error: str | None = results.error()
    code: str | None = results.code("VERSION_CONFLICT or SELLS_AT_A_LOSS")
    plans: list[str] = strawberry.field(
        default_factory=list,
        description="With SELLS_AT_A_LOSS: bundle names of plans that would be sold at a loss, at most 20.",
    )


@strawberry.type
class PriceQueries:
    """Mixed into Query."""

    @finance_field(description="The price lists and rules of a version.")
    async def price_rules(
        self,
        info: Info,
        version: Annotated[
            int | None,
            strawberry.argument(description="Number of the version. Omit for the current one."),
        ] = None,
    ) -> PriceRuleSet | None:
        return PriceRuleSet.of(await _rule_set(info.context, version))

    @finance_field(
        description="All versions of the price lists and rules, the newest first, page by page."
    )
    async def price_rule_versions(
        self,
        info: Info,
        first: Annotated[
            int,
            strawberry.argument(
                description=f"Maximum number of versions to return, 1 to {MAX_VERSIONS}."
            ),
        ] = 20,
        after: AfterArgument = None,
    ) -> PriceRuleVersionPage | None:
        request = prices_pb2.ListPriceRuleVersionsRequest(
            page_size=page_size(first, MAX_VERSIONS), page_token=after or ""
        )
        page = await answer_of(
            info.context.call(info.context.peers.prices.ListPriceRuleVersions, request)
        )
        info.context.spend(len(page.versions))
        return PriceRuleVersionPage(
            nodes=views(PriceRuleVersion, page.versions), next_cursor=page.next_page_token or None
        )

    @finance_field(
        description="Computes the prices that `setPriceRules` would set, and compares them with the current"
        " prices. Changes nothing."
    )
    async def preview_prices(
        self,
        info: Info,
        rules: RulesArgument,
        price_lists: PriceListsArgument = None,
        first: Annotated[
            int,
            strawberry.argument(
                description=f"Maximum number of plans in `worst` of each list, 1 to {MAX_WORST}."
            ),
        ] = 50,
    ) -> PricePreview | None:
        request = prices_pb2.PreviewPricesRequest(
            rules=_rules(rules),
            lists=await _lists(info.context, price_lists),
            page_size=page_size(first, MAX_WORST),
        )
        found = await answer_of(
            info.context.call(info.context.peers.prices.PreviewPrices, request, WRITE_TIMEOUT)
        )
        return PricePreview.of(found)

    @finance_field(description="How the current price of a plan was computed, step by step.")
    async def explain_price(
        self, info: Info, plan_id: PlanIdArgument, currency: CurrencyArgument = None
    ) -> PriceExplanation | None:
        request = prices_pb2.ExplainPriceRequest(plan=plan_id, currency=currency or "")
        found = await answer_of(info.context.call(info.context.peers.prices.ExplainPrice, request))
        return PriceExplanation.of(found)

    @finance_field(description="Prices that a plan has had in a list, the newest first.")
    async def price_history(
        self,
        info: Info,
        plan_id: PlanIdArgument,
        currency: CurrencyArgument = None,
        first: Annotated[
            int,
            strawberry.argument(
                description=f"Maximum number of prices to return, 1 to {MAX_HISTORY}."
            ),
        ] = 50,
        after: AfterArgument = None,
    ) -> PlanPricePage | None:
        request = prices_pb2.ListPriceHistoryRequest(
            plan=plan_id,
            currency=currency or "",
            page_size=page_size(first, MAX_HISTORY),
            page_token=after or "",
        )
        page = await answer_of(
            info.context.call(info.context.peers.prices.ListPriceHistory, request)
        )
        return _prices(info, page.prices, page.next_page_token)

    @finance_field(description="Plans of a price list with cost, price and margin, by bundle name.")
    async def plan_prices(
        self,
        info: Info,
        currency: CurrencyArgument = None,
        only_unsellable: Annotated[
            bool,
            strawberry.argument(
                description="True: only plans that are off sale because no allowed price keeps the minimum"
                " margin."
            ),
        ] = False,
        first: Annotated[
            int,
            strawberry.argument(
                description=f"Maximum number of prices to return, 1 to {MAX_PRICES}."
            ),
        ] = 100,
        after: AfterArgument = None,
    ) -> PlanPricePage | None:
        request = prices_pb2.ListPlanPricesRequest(
            currency=currency or "",
            only_unsellable=only_unsellable,
            page_size=page_size(first, MAX_PRICES),
            page_token=after or "",
        )
        page = await answer_of(info.context.call(info.context.peers.prices.ListPlanPrices, request))
        return _prices(info, page.prices, page.next_page_token)


@strawberry.type
class PriceMutations:
    """Mixed into Mutation."""

    @finance_field(
        description="Replaces all rules, and the price lists if they are given, and computes all prices."
        " Changes nothing if it is refused: with VERSION_CONFLICT if `expectedVersion` is not the current"
        " version, with SELLS_AT_A_LOSS if a fixed price is below the least price of a plan, with"
        " EXCHANGE_RATE_MISSING if there is no exchange rate for the currency of a list, with"
        " TAX_RATE_MISSING if there is no tax rate for its country."
    )
    async def set_price_rules(
        self,
        info: Info,
        rules: RulesArgument,
        expected_version: Annotated[
            int, strawberry.argument(description="Version that the rules replace.")
        ],
        note: Annotated[
            str, strawberry.argument(description="Free-text note, at most 500 characters.")
        ],
        price_lists: PriceListsArgument = None,
    ) -> SetPriceRulesResult | None:
        try:
            request = prices_pb2.SetPriceRulesRequest(
                rules=_rules(rules),
                lists=await _lists(info.context, price_lists),
                expected_version=expected_version,
                note=note,
            )
            done = await answer_of(
                info.context.change(info.context.peers.prices.SetPriceRules, request)
            )
        except Failure as failure:
            plans = failure.details.get("plans", "")
            return results.refused(
                SetPriceRulesResult, failure, plans=plans.split(",") if plans else []
            )
        return SetPriceRulesResult(
            success=True,
            rule_set=PriceRuleSet.of(done.rule_set),
            changed=done.changed,
            unsellable=done.unsellable,
        )


async def answer_of(answer: Awaitable[Answer]) -> Answer:
    """Return the answer of a call to the prices service; its failures name arguments of the schema."""
    try:
        with naming(lists="price_lists", plan="plan_id"):
            return await page_of(answer, f"{OF_FIELD} for the same arguments")
    except Failure as failure:
        fields = {path.replace("_data_mb", "DataMB"): text for path, text in failure.fields.items()}
        raise replace(failure, fields=fields) from failure


async def _rule_set(context: Context, version: int | None = None) -> prices_pb2.PriceRuleSet:
    request = prices_pb2.GetPriceRulesRequest(version=version)
    return (await answer_of(context.call(context.peers.prices.GetPriceRules, request))).rule_set


async def _lists(
    context: Context, given: list[PriceListInput] | None
) -> Sequence[prices_pb2.PriceList]:
    """Return the given lists, or else the current ones."""
    if given is None:
        return (await _rule_set(context)).lists
    return [one.to_proto() for one in given]


def _rules(given: list[PriceRuleInput]) -> list[prices_pb2.PriceRule]:
    return [rule.to_proto(f"rules[{index}]") for index, rule in enumerate(given)]


def _prices(info: Info, prices: Sequence[prices_pb2.PlanPrice], next_page: str) -> PlanPricePage:
    info.context.spend(len(prices))
    return PlanPricePage(nodes=views(PlanPrice, prices), next_cursor=next_page or None)
