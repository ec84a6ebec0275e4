"""Inputs of price lists and pricing rules. Amounts and percentages are exact decimal strings."""

import strawberry

from gateway.schema import inputs
from gateway.schema.prices.price_lists import PriceRounding, PriceRuleKind, TaxMode
from kit.errors import invalid
from protos.catalogue.v1 import prices_pb2

# MB. Floats above it are not exact.
MAX_MB = 2**53


@strawberry.input(
    description="Prices in one currency. Amounts are in that currency, as exact decimal strings."
)
class PriceListInput:
    id: strawberry.ID = strawberry.field(
        description="Id of the list: 1 to 40 lower-case letters, digits and hyphens."
    )
    currency: str = strawberry.field(
        description="ISO 4217 currency code; two lists can't have the same currency."
    )
    tax_mode: TaxMode = strawberry.field(
        default=TaxMode.INCLUSIVE, description="Whether prices include tax."
    )
    tax_country: str | None = strawberry.field(
        default=None,
        description="ISO 3166-1 alpha-2 code of the customers' country, whose tax rate applies. Omit if there"
        " is no tax.",
    )
    rounding: PriceRounding = strawberry.field(
        default=PriceRounding.NONE, description="How prices are rounded up."
    )
    min_margin: str = strawberry.field(
        default="0",
        description="Least margin of a sale after tax, payment fee and exchange rate buffer, as an amount.",
    )
    min_margin_percent: str = strawberry.field(
        default="0", description="Least margin in percent of the price without tax."
    )
    min_margin_to_absorb: str = strawberry.field(
        default="0",
        description="Margin, as an amount, that must be left for a purchase to go ahead after the"
        " provider's price rose.",
    )
    payment_fee_percent: str = strawberry.field(
        default="0",
        description="Fee of the payment provider, in percent of what the customer pays.",
    )
    payment_fee: str = strawberry.field(
        default="0", description="Fee of the payment provider for each payment, as an amount."
    )
    exchange_rate_buffer_percent: str = strawberry.field(
        default="0",
        description="Percentage that is added to the converted cost, as the exchange rate may rise until the"
        " provider is paid.",
    )
    max_markup_percent: str | None = strawberry.field(
        default=None,
        description="A plan whose price without tax would exceed the converted cost by more than this"
        " percentage is not sold. Omit for no limit.",
    )

    def to_proto(self) -> prices_pb2.PriceList:
        return prices_pb2.PriceList(
            id=self.id,
            currency=self.currency,
            tax_mode=prices_pb2.TaxMode.Value(f"TAX_MODE_{self.tax_mode.name}"),
            tax_country=self.tax_country or "",
            rounding=prices_pb2.Rounding.Value(f"ROUNDING_{self.rounding.name}"),
            min_margin=self.min_margin,
            min_margin_percent=self.min_margin_percent,
            min_margin_to_absorb=self.min_margin_to_absorb,
            payment_fee_percent=self.payment_fee_percent,
            payment_fee=self.payment_fee,
            exchange_rate_buffer_percent=self.exchange_rate_buffer_percent,
            max_markup_percent=self.max_markup_percent or "",
        )


@strawberry.input(
    description="Conditions of a pricing rule. A plan must meet every condition that is set."
)
class PriceRuleMatchInput:
    countries: list[str] | None = strawberry.field(
        default=None,
        description="Plans that cover nothing but these countries, by ISO code or English name.",
    )
    regions: list[str] | None = strawberry.field(
        default=None,
        description='Plans whose main region is one of these; "Global" for plans without one.',
    )
    groups: list[str] | None = strawberry.field(
        default=None, description="Plans of one of these bundle groups."
    )
    min_duration_days: int | None = strawberry.field(
        default=None, description="Minimum duration, in days."
    )
    max_duration_days: int | None = strawberry.field(
        default=None, description="Maximum duration, in days."
    )
    min_data_mb: float | None = strawberry.field(
        default=None,
        name="minDataMB",
        description="Minimum amount of data, in MB, a whole number; unlimited plans have more than any"
        " amount.",
    )
    max_data_mb: float | None = strawberry.field(
        default=None,
        name="maxDataMB",
        description="Maximum amount of data, in MB, a whole number.",
    )
    unlimited: bool | None = strawberry.field(
        default=None, description="True: only unlimited plans; false: only limited ones."
    )
    plans: list[str] | None = strawberry.field(
        default=None, description="Plans with one of these ids or bundle names."
    )
    provider: str | None = strawberry.field(
        default=None, description='Plans of this provider; "esim-go" is the only one.'
    )

    def to_proto(self, path: str) -> prices_pb2.PriceRuleMatch:
        """Return the message; raise Failure INVALID for an amount of data that isn't a whole number."""
        return prices_pb2.PriceRuleMatch(
            countries=self.countries or [],
            regions=self.regions or [],
            groups=self.groups or [],
            min_duration_days=self.min_duration_days,
            max_duration_days=self.max_duration_days,
            min_data_mb=_whole(f"{path}.minDataMB", self.min_data_mb),
            max_data_mb=_whole(f"{path}.maxDataMB", self.max_data_mb),
            unlimited=self.unlimited,
            plans=self.plans or [],
            provider=self.provider or "",
        )


@strawberry.input(
    description="The amount for plans of a group that last at least `fromDays`. If several cells fit, the one"
    " with the longest duration applies."
)
class PriceMatrixCellInput:
    group: str = strawberry.field(description="A bundle group.")
    from_days: int = strawberry.field(description="Minimum duration of the plans, in days.")
    amount: str = strawberry.field(
        description="Amount to add to the cost, in the list's currency, as an exact decimal string."
    )


@strawberry.input(
    description="A pricing rule. The first rule that matches a plan determines its price; without one,"
    " the cost does."
)
class PriceRuleInput:
    name: str = strawberry.field(description="1 to 100 characters, unique among the rules.")
    price_list: strawberry.ID | None = strawberry.field(
        default=None,
        description="Id of the only list that the rule is for. Omit for all lists. Required for amounts if"
        " there are several lists.",
    )
    match: PriceRuleMatchInput | None = strawberry.field(
        default=None, description="Which plans it matches. Omit to match all plans."
    )
    kind: PriceRuleKind = strawberry.field(description="How the rule computes a price.")
    value: str | None = strawberry.field(
        default=None, description="Exact percentage or amount. Omit for MATRIX."
    )
    matrix: list[PriceMatrixCellInput] | None = strawberry.field(
        default=None, description="For MATRIX: its cells. A plan without a cell is not matched."
    )

    def to_proto(self, path: str) -> prices_pb2.PriceRule:
        """Return the message; `path` is the argument's. Raises Failure INVALID."""
        return prices_pb2.PriceRule(
            name=self.name,
            price_list=inputs.optional_id(f"{path}.priceList", self.price_list, "for all lists"),
            match=self.match.to_proto(f"{path}.match") if self.match else None,
            kind=prices_pb2.PriceRuleKind.Value(f"PRICE_RULE_KIND_{self.kind.name}"),
            value=self.value or "",
            matrix=[
                prices_pb2.PriceMatrixCell(
                    group=cell.group, from_days=cell.from_days, amount=cell.amount
                )
                for cell in self.matrix or ()
            ],
        )


def _whole(path: str, number: float | None) -> int | None:
    if number is None:
        return None
    number = inputs.whole(number)
    if not (0 <= number <= MAX_MB and number == int(number)):
        raise invalid({path: f"must be a whole number of MB, 0 or more, not {number:g}"})
    return int(number)
