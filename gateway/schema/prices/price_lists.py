"""Schema types of price lists and pricing rules."""

from datetime import datetime
from enum import Enum

import strawberry

from gateway.execution.columns import computed, enum, optional, optional_time, strings, text
from gateway.execution.views import View, listed, read
from protos.catalogue.v1 import prices_pb2

# Description of every `nextCursor`.
NEXT = "Cursor of the next page, to pass as `after`; null on the last page."


@strawberry.enum(description="How the prices of a list treat tax.")
class TaxMode(Enum):
    INCLUSIVE = strawberry.enum_value("INCLUSIVE", description="Prices include tax.")
    EXCLUSIVE = strawberry.enum_value(
        "EXCLUSIVE", description="Tax is added to prices at the purchase."
    )


@strawberry.enum(description="How prices are rounded up.")
class PriceRounding(Enum):
    NONE = strawberry.enum_value("NONE", description="To the smallest unit of the currency.")
    TO_99 = strawberry.enum_value(
        "TO_99",
        description="To a price that ends in .99; for currencies with at least two decimal places.",
    )
    TO_90 = strawberry.enum_value(
        "TO_90",
        description="To a price that ends in .90; for currencies with at least two decimal places.",
    )
    TO_WHOLE = strawberry.enum_value("TO_WHOLE", description="To a whole number.")


@strawberry.enum(description="How a pricing rule computes a price from a plan's cost.")
class PriceRuleKind(Enum):
    MARKUP_PERCENT = strawberry.enum_value(
        "MARKUP_PERCENT", description="Cost plus `value` percent."
    )
    MARKUP_FIXED = strawberry.enum_value("MARKUP_FIXED", description="Cost plus an amount.")
    TARGET_MARGIN = strawberry.enum_value(
        "TARGET_MARGIN",
        description="Price that leaves `value` percent of the price without tax after the cost. `value` is"
        " below 100.",
    )
    FIXED_PRICE = strawberry.enum_value(
        "FIXED_PRICE",
        description="This price as customers see it: the tax of an inclusive list is part of it.",
    )
    MATRIX = strawberry.enum_value(
        "MATRIX", description="Cost plus the amount of a cell of `matrix`."
    )


# A value that isn't set means the first one.
TAX_MODES = {prices_pb2.TAX_MODE_UNSPECIFIED: TaxMode.INCLUSIVE} | {
    prices_pb2.TaxMode.Value(f"TAX_MODE_{one.name}"): one for one in TaxMode
}
ROUNDINGS = {prices_pb2.ROUNDING_UNSPECIFIED: PriceRounding.NONE} | {
    prices_pb2.Rounding.Value(f"ROUNDING_{one.name}"): one for one in PriceRounding
}


@strawberry.type(description="Prices in one currency. Amounts are in that currency.")
class PriceList(View):
    id: strawberry.ID = read(
        "id", description="Id of the list: 1 to 40 lower-case letters, digits and hyphens."
    )
    currency: str = read("currency", description='ISO 4217 currency code, such as "EUR".')
    tax_mode: TaxMode = read(
        computed(lambda one: TAX_MODES[one.tax_mode]),
        description="Whether prices include tax.",
    )
    tax_country: str | None = read(
        text("tax_country"),
        description="ISO 3166-1 alpha-2 code of the customers' country, whose tax rate applies; null if"
        " there is no tax.",
    )
    rounding: PriceRounding = read(
        computed(lambda one: ROUNDINGS[one.rounding]),
        description="How prices are rounded up.",
    )
    min_margin: str = read(
        computed(lambda one: one.min_margin or "0"),
        description="Least margin of a sale after tax, payment fee and exchange rate buffer, as an amount.",
    )
    min_margin_percent: str = read(
        computed(lambda one: one.min_margin_percent or "0"),
        description="Least margin in percent of the price without tax.",
    )
    min_margin_to_absorb: str = read(
        computed(lambda one: one.min_margin_to_absorb or "0"),
        description="Margin, as an amount, that must be left for a purchase to go ahead after the"
        " provider's price rose.",
    )
    payment_fee_percent: str = read(
        computed(lambda one: one.payment_fee_percent or "0"),
        description="Fee of the payment provider, in percent of what the customer pays.",
    )
    payment_fee: str = read(
        computed(lambda one: one.payment_fee or "0"),
        description="Fee of the payment provider for each payment, as an amount.",
    )
    exchange_rate_buffer_percent: str = read(
        computed(lambda one: one.exchange_rate_buffer_percent or "0"),
        description="Percentage that is added to the converted cost, as the exchange rate may rise until the"
        " provider is paid.",
    )
    max_markup_percent: str | None = read(
        text("max_markup_percent"),
        description="A plan whose price without tax would exceed the converted cost by more than this"
        " percentage is not sold; null: no limit.",
    )
    proto: strawberry.Private[prices_pb2.PriceList]


@strawberry.type(
    description="Conditions of a pricing rule. A plan must meet every condition that is set."
)
class PriceRuleMatch(View):
    countries: list[str] = read(
        strings("countries"),
        description="Plans that cover nothing but these countries, by ISO code or English name.",
    )
    regions: list[str] = read(
        strings("regions"),
        description='Plans whose main region is one of these; "Global" for plans without one.',
    )
    groups: list[str] = read(strings("groups"), description="Plans of one of these bundle groups.")
    min_duration_days: int | None = read(
        optional("min_duration_days"), description="Minimum duration, in days."
    )
    max_duration_days: int | None = read(
        optional("max_duration_days"), description="Maximum duration, in days."
    )
    min_data_mb: float | None = read(
        computed(lambda one: float(one.min_data_mb) if one.HasField("min_data_mb") else None),
        name="minDataMB",
        description="Minimum amount of data, in MB; unlimited plans have more than any amount.",
    )
    max_data_mb: float | None = read(
        computed(lambda one: float(one.max_data_mb) if one.HasField("max_data_mb") else None),
        name="maxDataMB",
        description="Maximum amount of data, in MB.",
    )
    unlimited: bool | None = read(
        optional("unlimited"),
        description="True: only unlimited plans; false: only limited ones; null: both.",
    )
    plans: list[str] = read(
        strings("plans"), description="Plans with one of these ids or bundle names."
    )
    provider: str | None = read(text("provider"), description="Plans of this provider.")
    proto: strawberry.Private[prices_pb2.PriceRuleMatch]


@strawberry.type(
    description="The amount for plans of a group that last at least `fromDays`. If several cells fit, the one"
    " with the longest duration applies."
)
class PriceMatrixCell(View):
    group: str = read("group", description="A bundle group.")
    from_days: int = read("from_days", description="Minimum duration of the plans, in days.")
    amount: str = read("amount", description="Amount to add to the cost, in the list's currency.")
    proto: strawberry.Private[prices_pb2.PriceMatrixCell]


@strawberry.type(
    description="A pricing rule. The first rule that matches a plan determines its price; without one,"
    " the cost does."
)
class PriceRule(View):
    name: str = read("name", description="Name of the rule, unique in its version.")
    price_list: strawberry.ID | None = read(
        text("price_list"),
        description="Id of the only list that the rule is for; null: for all lists.",
    )
    match: PriceRuleMatch = read(
        computed(lambda rule: PriceRuleMatch.of(rule.match)), description="Which plans it matches."
    )
    kind: PriceRuleKind = read(
        enum("kind", PriceRuleKind, prices_pb2.PriceRuleKind, "PRICE_RULE_KIND_"),
        description="How the rule computes a price.",
    )
    value: str | None = read(
        text("value"), description="Exact percentage or amount; null for MATRIX."
    )
    matrix: list[PriceMatrixCell] = listed(
        "matrix",
        PriceMatrixCell,
        description="The cells of MATRIX; a plan without a cell is not matched.",
    )
    proto: strawberry.Private[prices_pb2.PriceRule]


@strawberry.type(description="When a version of the price lists and rules was set, and by whom.")
class PriceRuleVersion(View):
    version: int = read("version", description="Number of the version.")
    note: str | None = read(text("note"), description="Free-text note of who set it; often null.")
    created_by: strawberry.ID | None = read(
        text("created_by"),
        description="Id of the account that set it; null if it was set with the service role key.",
    )
    created_at: datetime | None = read(
        optional_time("created_at"), description="When it was set; null for version 0."
    )
    proto: strawberry.Private[prices_pb2.PriceRuleSet]


@strawberry.type(
    description="A version of all price lists and rules. Version 0 has none: every plan is sold at its"
    " cost, in the provider's currency."
)
class PriceRuleSet(PriceRuleVersion):
    price_lists: list[PriceList] = listed(
        "lists", PriceList, description="The first is the default, for requests without a currency."
    )
    rules: list[PriceRule] = listed("rules", PriceRule, description="The rules, by priority.")
    proto: strawberry.Private[prices_pb2.PriceRuleSet]


@strawberry.type(description="A page of versions of the price lists and rules.")
class PriceRuleVersionPage:
    nodes: list[PriceRuleVersion] = strawberry.field(description="Versions, the newest first.")
    next_cursor: str | None = strawberry.field(description=NEXT)
