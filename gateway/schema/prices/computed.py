"""Schema types of computed prices, for the finance staff: none of them may become a public type."""

from datetime import datetime
from enum import Enum

import strawberry

from gateway.execution.columns import computed, enum, exact_amount, optional_time, text
from gateway.execution.views import View, listed, read
from gateway.schema.prices.price_lists import NEXT
from protos.catalogue.v1 import prices_pb2


@strawberry.type(
    description="Price of a plan in a price list, with its cost and margin. For the finance staff only."
)
class PlanPrice(View):
    plan_id: strawberry.ID = read("plan_id", description="The plan's id.")
    plan_name: str = read("plan_name", description="The provider's bundle name of the plan.")
    price_list: strawberry.ID | None = read(
        text("price_list"), description="Id of the price list; null without price lists."
    )
    cost: str = read(
        exact_amount("cost"),
        description="What the provider charges for the plan, as an exact decimal string.",
    )
    cost_currency: str = read("cost.currency_code", description="ISO 4217 code of the cost.")
    price: str = read(
        exact_amount("price"), description="Price as customers see it, as an exact decimal string."
    )
    currency: str = read("price.currency_code", description="ISO 4217 code of the price.")
    margin: str = read(
        "margin",
        description="Expected margin after tax, payment fee and cost, in the price's currency.",
    )
    margin_percent: str = read(
        "margin_percent", description="The margin in percent of the price without tax."
    )
    sellable: bool = read(
        "sellable",
        description="False if no allowed price keeps the minimum margin of the list: the plan is not sold"
        " in it.",
    )
    rule: str | None = read(
        text("rule"), description="Name of the rule that matched; null if none did."
    )
    rule_version: int = read("rule_version", description="Version of the rules.")
    lifted: bool = read(
        "lifted",
        description="True if the rule's price was raised to the least price that keeps the minimum margin.",
    )
    exchange_rate: str = read(
        "exchange_rate",
        description="Units of the price's currency for one of the cost's; 1 if both are the same.",
    )
    exchange_rate_at: datetime | None = read(
        optional_time("exchange_rate_at"),
        description="When the rate was published; null if both currencies are the same.",
    )
    tax_rate: str = read("tax_rate", description="Tax rate in percent; 0 if there is no tax.")
    includes_tax: bool = read("includes_tax", description="True if the price includes the tax.")
    valid_from: datetime | None = read(
        optional_time("valid_from"),
        description="When the price became valid; null for a price that is not in use.",
    )
    valid_to: datetime | None = read(
        optional_time("valid_to"),
        description="When the price was replaced; null while it is the current one.",
    )
    proto: strawberry.Private[prices_pb2.PlanPrice]


@strawberry.type(description="A page of prices of plans.")
class PlanPricePage:
    nodes: list[PlanPrice] = strawberry.field(description="The prices of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.type(description="Number of plans by margin.")
class MarginBucket(View):
    from_percent: int = read(
        "from_percent",
        description="Margin in percent of the price without tax, from here up to the next bucket.",
    )
    plan_count: int = read("plan_count", description="Number of plans with such a margin.")
    proto: strawberry.Private[prices_pb2.MarginBucket]


@strawberry.type(
    description="What a price list would contain, compared with the current prices. All numbers are of"
    " plans on sale."
)
class PriceListPreview(View):
    price_list: strawberry.ID = read("price_list", description="Id of the list.")
    currency: str = read("currency", description="ISO 4217 code of the list.")
    plan_count: int = read("plan_count", description="Number of plans.")
    raised: int = read("raised", description="Number of plans with a higher price than now.")
    lowered: int = read("lowered", description="Number of plans with a lower price than now.")
    unchanged: int = read("unchanged", description="Number of plans with the same price as now.")
    added: int = read(
        "added", description="Number of plans that have no price in this currency yet."
    )
    unsellable: int = read(
        "unsellable",
        description="Number of plans for which no allowed price keeps the minimum margin.",
    )
    lifted: int = read(
        "lifted",
        description="Number of plans whose price was raised to keep the minimum margin.",
    )
    margins: list[MarginBucket] = listed(
        "margins",
        MarginBucket,
        description="Numbers of sellable plans by margin, the lowest first.",
    )
    worst: list[PlanPrice] = listed(
        "worst",
        PlanPrice,
        description="Sellable plans with the lowest margins, the lowest first; `first` of each list.",
    )
    proto: strawberry.Private[prices_pb2.PriceListPreview]


@strawberry.type(description="Prices that rules would set; nothing was changed.")
class PricePreview(View):
    price_lists: list[PriceListPreview] = listed(
        "lists", PriceListPreview, description="One for each price list."
    )
    proto: strawberry.Private[prices_pb2.PreviewPricesResponse]


@strawberry.enum(description="Step of the computation of a price.")
class PriceStepKind(Enum):
    RULE = strawberry.enum_value("RULE", description="The first rule that matches the plan.")
    CONVERSION = strawberry.enum_value(
        "CONVERSION", description="Conversion to the currency of the list."
    )
    TAX = strawberry.enum_value("TAX", description="Addition of tax, in an inclusive list.")
    ROUNDING = strawberry.enum_value("ROUNDING", description="Rounding up.")
    FLOOR = strawberry.enum_value(
        "FLOOR",
        description="Raise to the least price that keeps the minimum margin, if the price is below it.",
    )


@strawberry.type(
    description="Step of the computation of a price. Each starts where the one before ends."
)
class PriceStep(View):
    kind: PriceStepKind = read(
        enum("kind", PriceStepKind, prices_pb2.PriceStepKind, "PRICE_STEP_KIND_"),
        description="Which step it is.",
    )
    before: str = read("before", description="Exact amount before the step.")
    after: str = read("after", description="Exact amount after the step.")
    currency: str = read("currency", description="ISO 4217 code of both amounts.")
    description: str = read("description", description="Human-readable explanation of the step.")
    proto: strawberry.Private[prices_pb2.PriceStep]


@strawberry.type(description="How the current price of a plan was computed.")
class PriceExplanation(View):
    price: PlanPrice = read(
        computed(lambda found: PlanPrice.of(found.price)), description="The price."
    )
    steps: list[PriceStep] = listed(
        "steps",
        PriceStep,
        description="In the order of computation: the first starts at the cost, the last ends at the price.",
    )
    least_price: str | None = read(
        text("least_price"),
        description="Least price before it is rounded up; null if no price keeps the minimum margin.",
    )
    net_price: str = read(
        "net_price",
        description="The price without tax. The margin is this price less `paymentFee` and `convertedCost`.",
    )
    payment_fee: str = read("payment_fee", description="Fee of the payment provider.")
    converted_cost: str = read(
        "converted_cost",
        description="Cost in the price's currency, with the exchange rate buffer of the list.",
    )
    proto: strawberry.Private[prices_pb2.ExplainPriceResponse]
