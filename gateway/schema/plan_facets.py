"""Facets: how many plans each further filter value would yield."""

from typing import Self

import strawberry

from gateway.execution.auth import public_field
from gateway.schema.plan_queries import FilterArgument
from gateway.schema.plans import Country
from gateway.upstream.context import Info
from kit.values import money
from protos.catalogue.v1 import catalogue_pb2


@strawberry.type(description="A country to filter by, with its number of plans.")
class CountryFacet:
    country: Country = strawberry.field(description="The country.")
    plan_count: int = strawberry.field(description="Number of plans that cover the country.")


@strawberry.type(description="A region to filter by, with its number of plans.")
class RegionFacet:
    name: str = strawberry.field(
        description='Name of the region, such as "Europe", to pass as `filter.region`.'
    )
    plan_count: int = strawberry.field(
        description="Number of plans that cover a country of the region."
    )


@strawberry.type(description="A duration to filter by, with its number of plans.")
class DurationFacet:
    days: int = strawberry.field(description="Duration in days, to pass as `filter.duration`.")
    plan_count: int = strawberry.field(description="Number of plans with this duration.")


@strawberry.type(description="A bundle group to filter by, with its number of plans.")
class BundleGroupFacet:
    name: str = strawberry.field(
        description='Name of the group, such as "Standard Fixed", to pass as `filter.bundleGroup`.'
    )
    plan_count: int = strawberry.field(description="Number of plans in the group.")


@strawberry.type(description="Lowest and highest price of a set of plans.")
class PriceRange:
    lowest: float = strawberry.field(description="Price of the cheapest plan.")
    highest: float = strawberry.field(description="Price of the most expensive plan.")
    currency: str = strawberry.field(description="ISO 4217 currency code of both prices.")


@strawberry.type(
    description="Counts of plans by country, region, duration, price, data and bundle group. Each"
    " facet is counted with the filter minus its own condition: while one country is"
    " selected, the other countries still show how many plans they would yield."
    " Values that match no plan are omitted."
)
class DataPlanFacets:
    total: int = strawberry.field(description="Number of plans that match the whole filter.")
    countries: list[CountryFacet] = strawberry.field(
        description="Countries, sorted by name; counted without `filter.country`."
    )
    regions: list[RegionFacet] = strawberry.field(
        description="Regions, sorted by name; counted without `filter.region`."
    )
    durations: list[DurationFacet] = strawberry.field(
        description="Durations, shortest first; counted without `filter.duration`."
    )
    price_range: PriceRange | None = strawberry.field(
        description="Price range, ignoring `filter.minPrice` and `filter.maxPrice`; null if no plan"
        " matches."
    )
    unlimited_count: int = strawberry.field(
        description="Number of plans with unlimited data, ignoring `filter.unlimited`."
    )
    limited_count: int = strawberry.field(
        description="Number of plans with limited data, ignoring `filter.unlimited`."
    )
    bundle_groups: list[BundleGroupFacet] = strawberry.field(
        description="Bundle groups, sorted by name; counted without `filter.bundleGroup`."
    )

    @classmethod
    def of(cls, facets: catalogue_pb2.GetPlanFacetsResponse) -> Self:
        return cls(
            total=facets.total_size,
            countries=[
                CountryFacet(country=Country.of(row.country), plan_count=row.plan_count)
                for row in facets.countries
            ],
            regions=[
                RegionFacet(name=row.name, plan_count=row.plan_count) for row in facets.regions
            ],
            durations=[
                DurationFacet(days=row.days, plan_count=row.plan_count) for row in facets.durations
            ],
            price_range=_price_range(facets),
            unlimited_count=facets.unlimited_count,
            limited_count=facets.limited_count,
            bundle_groups=[
                BundleGroupFacet(name=row.name, plan_count=row.plan_count)
                for row in facets.bundle_groups
            ],
        )


def _price_range(facets: catalogue_pb2.GetPlanFacetsResponse) -> PriceRange | None:
    if not facets.HasField("lowest_price"):
        return None
    return PriceRange(
        lowest=float(money.from_proto(facets.lowest_price)),
        highest=float(money.from_proto(facets.highest_price)),
        currency=facets.lowest_price.currency_code,
    )


@strawberry.type
class FacetQueries:
    """Mixed into Query."""

    @public_field(
        description="Facets of the plans on sale that match a filter, for the filter bar of a shop."
    )
    async def data_plan_facets(
        self,
        info: Info,
        filter: FilterArgument = None,  # noqa: A002 - as in dataPlans
    ) -> DataPlanFacets:
        request = catalogue_pb2.GetPlanFacetsRequest(filter=filter.to_proto() if filter else None)
        answer = await info.context.read_catalogue(
            info.context.peers.catalogue.GetPlanFacets, request
        )
        info.context.spend(
            len(answer.countries)
            + len(answer.regions)
            + len(answer.durations)
            + len(answer.bundle_groups)
        )
        return DataPlanFacets.of(answer)
