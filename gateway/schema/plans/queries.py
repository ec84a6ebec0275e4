"""Public queries for plans, countries and regions."""

from enum import Enum
from typing import Annotated

import strawberry

from gateway.execution.auth import public_field
from gateway.execution.columns import computed, float_amount
from gateway.execution.time_slices import in_slices
from gateway.execution.views import View, read, views
from gateway.schema import inputs
from gateway.schema.plans.types import Country, DataPlan
from gateway.upstream.context import Info
from kit.errors import invalid
from kit.values import money
from protos.catalogue.v1 import catalogue_pb2
from protos.common.v1 import money_pb2

# The catalogue's maximum page size; the provider's whole catalogue fits.
MAX_PLANS = 10_000
# The maximum of an int64, far above any price or amount of data.
MAX_NUMBER = 2**63 - 1


@strawberry.input(description="Filter for plans. A plan must match every condition that is set.")
class DataPlanFilter:
    region: str | None = strawberry.field(
        default=None,
        description='Only plans that cover a country of this region, such as "Europe". Case-insensitive.',
    )
    country: str | None = strawberry.field(
        default=None,
        description="Only plans that cover this country, given as its ISO code (alpha-2, alpha-3"
        " or an alias such as UK) or English name. Case-insensitive.",
    )
    countries: list[str] | None = strawberry.field(
        default=None,
        description="Only plans that cover all of these countries, each in the same form as `country`; at"
        " most 50.",
    )
    single_country: bool | None = strawberry.field(
        default=None,
        description="True for plans that cover exactly one country; false for plans that cover several.",
    )
    duration: int | None = strawberry.field(
        default=None, description="Only plans with exactly this duration, in days."
    )
    min_duration: int | None = strawberry.field(
        default=None, description="Only plans with at least this duration, in days."
    )
    max_duration: int | None = strawberry.field(
        default=None, description="Only plans with at most this duration, in days."
    )
    min_price: float | None = strawberry.field(
        default=None,
        description="Only plans that cost at least this price, in the currency of the query.",
    )
    max_price: float | None = strawberry.field(
        default=None,
        description="Only plans that cost at most this price, in the currency of the query.",
    )
    unlimited: bool | None = strawberry.field(
        default=None,
        description="True for plans with unlimited data; false for plans with limited data.",
    )
    bundle_group: str | None = strawberry.field(
        default=None, description='Only plans of this group, such as "Standard Fixed".'
    )
    text: str | None = strawberry.field(
        default=None,
        description="Only plans whose name, description, region or countries contain all of these words, at"
        " most 20.",
    )
    min_data: float | None = strawberry.field(
        default=None,
        description="Only plans with at least this much data, in MB; unlimited plans always match.",
    )

    def to_proto(self) -> catalogue_pb2.PlanFilter:
        """Convert the filter; raise Failure INVALID for an impossible number."""
        return catalogue_pb2.PlanFilter(
            region=self.region,
            country=self.country,
            countries=self.countries or (),
            single_country=self.single_country,
            duration_days=self.duration,
            min_duration_days=self.min_duration,
            max_duration_days=self.max_duration,
            min_price=limit("filter.min_price", self.min_price),
            max_price=limit("filter.max_price", self.max_price),
            unlimited=self.unlimited,
            bundle_group=self.bundle_group,
            text=self.text,
            min_data_mb=_megabytes(self.min_data),
        )


@strawberry.enum(description="Sort order of plans. Ties are sorted by name.")
class DataPlanOrder(Enum):
    NAME = strawberry.enum_value("NAME", description="By name, A to Z. This is the default.")
    PRICE_ASC = strawberry.enum_value("PRICE_ASC", description="Cheapest first.")
    PRICE_DESC = strawberry.enum_value("PRICE_DESC", description="Most expensive first.")
    DURATION_ASC = strawberry.enum_value("DURATION_ASC", description="Shortest duration first.")
    DATA_DESC = strawberry.enum_value(
        "DATA_DESC", description="Most data first, starting with unlimited plans."
    )


@strawberry.type(description="A region with its number of plans and lowest price.")
class RegionSummary(View):
    name: str = read(
        "name", description='Name of the region, such as "Europe", to pass as `filter.region`.'
    )
    plan_count: int = read(
        "plan_count", description="Number of plans that cover a country of the region."
    )
    lowest_price: float = read(
        float_amount("lowest_price"), description="Price of the cheapest of these plans."
    )
    currency: str = read(
        "lowest_price.currency_code", description="ISO 4217 currency code of the price."
    )
    proto: strawberry.Private[catalogue_pb2.RegionSummary]


@strawberry.type(description="A country with its number of plans and lowest price.")
class CountrySummary(View):
    country: Country = read(
        computed(lambda row: Country.of(row.country)), description="The country."
    )
    plan_count: int = read("plan_count", description="Number of plans that cover the country.")
    lowest_price: float = read(
        float_amount("lowest_price"), description="Price of the cheapest of these plans."
    )
    currency: str = read(
        "lowest_price.currency_code", description="ISO 4217 currency code of the price."
    )
    proto: strawberry.Private[catalogue_pb2.CountrySummary]


FilterArgument = Annotated[
    DataPlanFilter | None,
    strawberry.argument(description="Filter for the plans. Omit to include all."),
]
FirstArgument = Annotated[
    int | None,
    strawberry.argument(
        description="Maximum number of plans to return, 1 to 10,000. Omit to return all."
    ),
]
OrderArgument = Annotated[
    DataPlanOrder, strawberry.argument(name="orderBy", description="Sort order of the plans.")
]
FeaturedArgument = Annotated[
    int, strawberry.argument(description="Maximum number of plans to return, 1 to 50.")
]
PlanIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The plan's id.")]
CurrencyArgument = Annotated[
    str | None,
    strawberry.argument(
        description="ISO 4217 code of the currency of all prices: one that the shop sells in, otherwise"
        " the query fails with UNKNOWN_CURRENCY. Omit for the shop's default currency."
    ),
]
LocaleArgument = Annotated[
    str | None,
    strawberry.argument(
        description='BCP 47 code of the language of names and texts, such as "de" or "pt-BR". Omit for'
        " English, which also replaces missing translations."
    ),
]
RegionArgument = Annotated[
    str | None, strawberry.argument(description="Only countries of this region.")
]


@strawberry.type
class PlanQueries:
    """Mixed into Query."""

    @public_field(description="Plans on sale that match a filter.")
    async def data_plans(
        self,
        info: Info,
        filter: FilterArgument = None,
        first: FirstArgument = None,
        order_by: OrderArgument = DataPlanOrder.NAME,
        currency: CurrencyArgument = None,
        locale: LocaleArgument = None,
    ) -> list[DataPlan]:
        if first is not None and not 1 <= first <= MAX_PLANS:
            raise invalid({"first": f"must be an integer from 1 to {MAX_PLANS}, not {first}"})
        request = catalogue_pb2.ListPlansRequest(
            filter=filter.to_proto() if filter else None,
            order_by=catalogue_pb2.PlanOrder.Value(f"PLAN_ORDER_{order_by.name}"),
            page_size=first or MAX_PLANS,
            without_total=True,
            currency=currency or "",
            locale=locale or "",
        )
        plans: list[catalogue_pb2.DataPlan] = []
        while True:
            page = await info.context.read_catalogue(
                info.context.peers.catalogue.ListPlans, request
            )
            info.context.spend(len(page.plans))
            plans.extend(page.plans)
            request.page_token = page.next_page_token
            if first is not None or not page.next_page_token:
                return in_slices(DataPlan, plans)

    @public_field(
        description="Plans for the front page of a shop, in the order set by an administrator. If"
        " none were set: the plan with the lowest price per day of each region."
    )
    async def featured_plans(
        self,
        info: Info,
        first: FeaturedArgument = 10,
        currency: CurrencyArgument = None,
        locale: LocaleArgument = None,
    ) -> list[DataPlan]:
        if not 1 <= first <= 50:
            raise invalid({"first": f"must be an integer from 1 to 50, not {first}"})
        request = catalogue_pb2.ListFeaturedPlansRequest(
            page_size=first, currency=currency or "", locale=locale or ""
        )
        answer = await info.context.read_catalogue(
            info.context.peers.catalogue.ListFeaturedPlans, request
        )
        info.context.spend(len(answer.plans))
        return views(DataPlan, answer.plans)

    @public_field(
        description="One plan, including a plan that is no longer on sale. Fails with NOT_FOUND"
        " if the id is unknown."
    )
    async def data_plan(
        self,
        info: Info,
        id: PlanIdArgument,
        currency: CurrencyArgument = None,
        locale: LocaleArgument = None,
    ) -> DataPlan | None:
        request = catalogue_pb2.GetPlanRequest(id=id, currency=currency or "", locale=locale or "")
        answer = await info.context.read_catalogue(info.context.peers.catalogue.GetPlan, request)
        return DataPlan.of(answer.plan)

    @public_field(description="All regions with plans on sale, sorted by name.")
    async def regions(
        self, info: Info, currency: CurrencyArgument = None, locale: LocaleArgument = None
    ) -> list[RegionSummary]:
        request = catalogue_pb2.ListRegionsRequest(currency=currency or "", locale=locale or "")
        answer = await info.context.read_catalogue(
            info.context.peers.catalogue.ListRegions, request
        )
        info.context.spend(len(answer.regions))
        return views(RegionSummary, answer.regions)

    @public_field(description="All countries with plans on sale, sorted by name.")
    async def countries(
        self,
        info: Info,
        region: RegionArgument = None,
        currency: CurrencyArgument = None,
        locale: LocaleArgument = None,
    ) -> list[CountrySummary]:
        request = catalogue_pb2.ListCountriesRequest(
            region=region, currency=currency or "", locale=locale or ""
        )
        answer = await info.context.read_catalogue(
            info.context.peers.catalogue.ListCountries, request
        )
        info.context.spend(len(answer.countries))
        return views(CountrySummary, answer.countries)


def limit(field: str, value: float | None) -> money_pb2.Money | None:
    """Convert a price limit from a float to money, without float noise; raise Failure INVALID."""
    if value is None:
        return None
    try:
        return money.to_proto(money.from_float(value), "")
    except ValueError:  # too large, or a literal beyond all floats
        raise invalid({field: "must be a price, such as 9.99"}) from None


def _megabytes(value: float | None) -> int | None:
    if value is None:
        return None
    value = inputs.whole(value)
    if not value.is_integer() or abs(value) > MAX_NUMBER:
        raise invalid({"filter.min_data_mb": "must be an integer number of MB"})
    return int(value)
