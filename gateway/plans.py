"""Plans in the schema: what can be bought."""

from datetime import datetime
from typing import Self

import strawberry

from gateway.auth import public_field
from gateway.context import Info
from kit import money, timestamps
from protos.catalogue.v1 import catalogue_pb2


@strawberry.type(description="A country that a plan covers.")
class Country:
    name: str = strawberry.field(description='Its English name, such as "France".')
    iso: str = strawberry.field(
        description="ISO 3166-1 alpha-2 in most cases; the provider adds a few codes of its own."
    )
    region: str = strawberry.field(
        description='The provider\'s region of the country, such as "Europe".'
    )

    @classmethod
    def of(cls, country: catalogue_pb2.Country) -> Self:
        return cls(name=country.name, iso=country.iso, region=country.region)


@strawberry.type(description="What a plan holds beside data, such as voice minutes.")
class Allowance:
    type: str = strawberry.field(description="DATA, VOICE or SMS.")
    service: str = strawberry.field(description="STANDARD or ROAMING.")
    description: str = strawberry.field(description="In words.")
    amount: float | None = strawberry.field(description="In `unit`; null when unlimited.")
    unit: str = strawberry.field(description="MB, MINS or SMS.")
    is_unlimited: bool = strawberry.field(description="Whether there is no limit.")

    @classmethod
    def of(cls, allowance: catalogue_pb2.Allowance) -> Self:
        return cls(
            type=allowance.type,
            service=allowance.service,
            description=allowance.description,
            amount=None if allowance.unlimited else float(allowance.amount),
            unit=allowance.unit,
            is_unlimited=allowance.unlimited,
        )


@strawberry.federation.type(keys=["id"], description="A data plan that can be bought.")
class DataPlan:
    id: strawberry.ID = strawberry.field(
        description="A UUID that depends on the name alone: the same everywhere, forever."
    )
    name: str = strawberry.field(
        description="The provider's bundle name; its letters' case matters."
    )
    description: str = strawberry.field(description="What it is, in words.")
    region: str = strawberry.field(
        description='The region of more than half of its countries, else "Global".'
    )
    duration: int = strawberry.field(description="How many days it lasts from its start.")
    price: float = strawberry.field(
        description="For one. Calculate with `priceExact`, as a Float is not exact."
    )
    price_exact: str = strawberry.field(
        description='The exact price as a decimal, such as "2.28"; up to three decimal places.'
    )
    currency: str = strawberry.field(description='ISO 4217, such as "USD".')
    data_mb: float | None = strawberry.field(
        name="dataMB", description="Data in MB, base 10; null when unlimited."
    )
    is_unlimited: bool = strawberry.field(description="Whether its data has no limit.")
    bundle_group: str = strawberry.field(
        description='The provider\'s group, such as "Standard Fixed".'
    )
    features: list[str] = strawberry.field(
        description='Short texts for a shop\'s card, such as "4G/5G".'
    )
    available_quantity: int = strawberry.field(
        description="How many can be ordered at once now; 0 when it is not on sale."
    )
    speeds: list[str] = strawberry.field(description='Radio generations, such as "4G".')
    starts_on_assignment: bool = strawberry.field(
        description="True when its days count from delivery, false when from first use."
    )
    updated_at: datetime = strawberry.field(description="When any of this last changed.")
    proto: strawberry.Private[catalogue_pb2.DataPlan]

    @public_field(description="The countries that it covers.")
    def countries(self, info: Info) -> list[Country]:
        info.context.spend(len(self.proto.countries))
        return [Country.of(country) for country in self.proto.countries]

    @public_field(description="What it holds beside data.")
    def allowances(self, info: Info) -> list[Allowance]:
        info.context.spend(len(self.proto.allowances))
        return [Allowance.of(allowance) for allowance in self.proto.allowances]

    @classmethod
    def of(cls, plan: catalogue_pb2.DataPlan) -> Self:
        price = money.from_proto(plan.price)
        return cls(
            id=strawberry.ID(plan.id),
            name=plan.name,
            description=plan.description,
            region=plan.region,
            duration=plan.duration_days,
            price=float(price),
            price_exact=str(price),
            currency=plan.price.currency_code,
            data_mb=float(plan.data_mb) if plan.HasField("data_mb") else None,
            is_unlimited=plan.unlimited,
            bundle_group=plan.bundle_group,
            features=list(plan.features),
            available_quantity=plan.available_quantity,
            speeds=list(plan.speeds),
            starts_on_assignment=plan.autostart,
            updated_at=timestamps.from_proto(plan.updated_at),
            proto=plan,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Self | None:  # noqa: A002 - the key's name
        plan = await info.context.loaders.plans.load(id)
        return None if plan is None else cls.of(plan)
