"""What a shop's filter bar shows: how many plans each further choice would give."""

from typing import Self

import strawberry

from gateway.auth import public_field
from gateway.context import Info
from gateway.plan_queries import FilterArgument
from gateway.plans import Country
from kit import money
from protos.catalogue.v1 import catalogue_pb2


@strawberry.type(description="A country that can be chosen.")
class CountryFacet:
    country: Country = strawberry.field(description="The country.")
    plan_count: int = strawberry.field(description="How many plans cover it.")


@strawberry.type(description="A region that can be chosen.")
class RegionFacet:
    name: str = strawberry.field(description='Such as "Europe"; fit for `filter.region`.')
    plan_count: int = strawberry.field(description="How many plans cover a country of it.")


@strawberry.type(description="A duration that can be chosen.")
class DurationFacet:
    days: int = strawberry.field(description="How many days; fit for `filter.duration`.")
    plan_count: int = strawberry.field(description="How many plans last so long.")


@strawberry.type(description="A group that can be chosen.")
class BundleGroupFacet:
    name: str = strawberry.field(
        description='Such as "Standard Fixed"; fit for `filter.bundleGroup`.'
    )
    plan_count: int = strawberry.field(description="How many plans are of it.")


@strawberry.type(description="From which price to which plans are there.")
class PriceRange:
    lowest: float = strawberry.field(description="The price of the cheapest.")
    highest: float = strawberry.field(description="The price of the dearest.")
    currency: str = strawberry.field(description="ISO 4217, of both.")


@strawberry.type(
    description="How many plans each further choice would give. Each facet counts the plans that match"
    " the filter without the facet's own condition: while one country is chosen, the others still tell"
    " what they would give. Choices that no plan matches are left out."
)
class DataPlanFacets:
    total: int = strawberry.field(description="How many plans match the whole filter.")
    countries: list[CountryFacet] = strawberry.field(
        description="By name; whatever `filter.country` is."
    )
    regions: list[RegionFacet] = strawberry.field(
        description="By name; whatever `filter.region` is."
    )
    durations: list[DurationFacet] = strawberry.field(
        description="The shortest first; whatever `filter.duration` is."
    )
    price_range: PriceRange | None = strawberry.field(
        description="Whatever `filter.minPrice` and `filter.maxPrice` are; null where no plan is left."
    )
    unlimited_count: int = strawberry.field(
        description="Plans with unlimited data, whatever `filter.unlimited` is."
    )
    limited_count: int = strawberry.field(
        description="Plans with an amount of data, whatever `filter.unlimited` is."
    )
    bundle_groups: list[BundleGroupFacet] = strawberry.field(
        description="By name; whatever `filter.bundleGroup` is."
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
        description="For a shop's filter bar: what the plans on sale that match a filter could"
        " further be filtered by, with how many plans each choice would give."
    )
    async def data_plan_facets(
        self,
        info: Info,
        filter: FilterArgument = None,  # noqa: A002 - as in dataPlans
    ) -> DataPlanFacets:
        request = catalogue_pb2.GetPlanFacetsRequest(filter=filter.to_proto() if filter else None)
        answer = await info.context.ask_catalogue(
            info.context.peers.catalogue.GetPlanFacets, request
        )
        info.context.spend(
            len(answer.countries)
            + len(answer.regions)
            + len(answer.durations)
            + len(answer.bundle_groups)
        )
        return DataPlanFacets.of(answer)
