"""Facets: how many plans each further filter value would yield."""

import strawberry

from gateway.execution.auth import public_field
from gateway.execution.columns import computed, float_amount
from gateway.execution.views import View, listed, read
from gateway.schema.plans.queries import CurrencyArgument, FilterArgument, LocaleArgument
from gateway.schema.plans.types import Country
from gateway.upstream.context import Info
from protos.catalogue.v1 import catalogue_pb2


@strawberry.type(description="A country to filter by, with its number of plans.")
class CountryFacet(View):
    country: Country = read(
        computed(lambda row: Country.of(row.country)), description="The country."
    )
    plan_count: int = read("plan_count", description="Number of plans that cover the country.")
    proto: strawberry.Private[catalogue_pb2.CountryFacet]


@strawberry.type(description="A region to filter by, with its number of plans.")
class RegionFacet(View):
    name: str = read(
        "name", description='Name of the region, such as "Europe", to pass as `filter.region`.'
    )
    plan_count: int = read(
        "plan_count", description="Number of plans that cover a country of the region."
    )
    proto: strawberry.Private[catalogue_pb2.RegionFacet]


@strawberry.type(description="A duration to filter by, with its number of plans.")
class DurationFacet(View):
    days: int = read("days", description="Duration in days, to pass as `filter.duration`.")
    plan_count: int = read("plan_count", description="Number of plans with this duration.")
    proto: strawberry.Private[catalogue_pb2.DurationFacet]


@strawberry.type(description="A bundle group to filter by, with its number of plans.")
class BundleGroupFacet(View):
    name: str = read(
        "name",
        description='Name of the group, such as "Standard Fixed", to pass as `filter.bundleGroup`.',
    )
    plan_count: int = read("plan_count", description="Number of plans in the group.")
    proto: strawberry.Private[catalogue_pb2.BundleGroupFacet]


@strawberry.type(description="Lowest and highest price of a set of plans.")
class PriceRange(View):
    lowest: float = read(float_amount("lowest_price"), description="Price of the cheapest plan.")
    highest: float = read(
        float_amount("highest_price"), description="Price of the most expensive plan."
    )
    currency: str = read(
        "lowest_price.currency_code", description="ISO 4217 currency code of both prices."
    )
    proto: strawberry.Private[catalogue_pb2.GetPlanFacetsResponse]


@strawberry.type(
    description="Counts of plans by country, region, duration, price, data and bundle group. Each"
    " facet is counted with the filter minus its own condition: while one country is"
    " selected, the other countries still show how many plans they would yield."
    " Values that match no plan are omitted."
)
class DataPlanFacets(View):
    total: int = read("total_size", description="Number of plans that match the whole filter.")
    countries: list[CountryFacet] = listed(
        "countries",
        CountryFacet,
        description="Countries, sorted by name; counted without `filter.country`.",
    )
    regions: list[RegionFacet] = listed(
        "regions",
        RegionFacet,
        description="Regions, sorted by name; counted without `filter.region`.",
    )
    durations: list[DurationFacet] = listed(
        "durations",
        DurationFacet,
        description="Durations, shortest first; counted without `filter.duration`.",
    )
    price_range: PriceRange | None = read(
        computed(lambda facets: PriceRange.of(facets) if facets.HasField("lowest_price") else None),
        description="Price range, ignoring `filter.minPrice` and `filter.maxPrice`; null if no plan"
        " matches.",
    )
    unlimited_count: int = read(
        "unlimited_count",
        description="Number of plans with unlimited data, ignoring `filter.unlimited`.",
    )
    limited_count: int = read(
        "limited_count",
        description="Number of plans with limited data, ignoring `filter.unlimited`.",
    )
    bundle_groups: list[BundleGroupFacet] = listed(
        "bundle_groups",
        BundleGroupFacet,
        description="Bundle groups, sorted by name; counted without `filter.bundleGroup`.",
    )
    proto: strawberry.Private[catalogue_pb2.GetPlanFacetsResponse]


@strawberry.type
class FacetQueries:
    """Mixed into Query."""

    @public_field(
        description="Facets of the plans on sale that match a filter, for the filter bar of a shop."
    )
    async def data_plan_facets(
        self,
        info: Info,
        filter: FilterArgument = None,
        currency: CurrencyArgument = None,
        locale: LocaleArgument = None,
    ) -> DataPlanFacets:
        request = catalogue_pb2.GetPlanFacetsRequest(
            filter=filter.to_proto() if filter else None,
            currency=currency or "",
            locale=locale or "",
        )
        answer = await info.context.read_catalogue(
            info.context.peers.catalogue.GetPlanFacets, request
        )
        return DataPlanFacets.of(answer)
