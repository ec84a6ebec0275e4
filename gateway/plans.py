"""Plans in the schema: what can be bought."""

from datetime import datetime
from typing import Self

import strawberry

from gateway.context import Info
from gateway.readings import each, exactly, filled, recorded, texts
from gateway.views import View, listed, read
from kit import money
from protos.catalogue.v1 import catalogue_pb2


@strawberry.type(description="A country that a plan covers.")
class Country(View):
    name: str = read("name", description='Its English name, such as "France".')
    iso: str = read(
        "iso",
        description="ISO 3166-1 alpha-2 in most cases; the provider adds a few codes of its own.",
    )
    region: str = read(
        "region", description='The provider\'s region of the country, such as "Europe".'
    )
    iso3: str | None = read(
        filled("iso3"),
        description='ISO 3166-1 alpha-3, such as "FRA"; null for a place that has no such code.',
    )
    flag: str | None = read(
        filled("flag"),
        description="The flag as an emoji; null for a place that has none. A part of a country has that"
        " country's.",
    )
    proto: strawberry.Private[catalogue_pb2.Country]


@strawberry.type(description="What a plan holds beside data, such as voice minutes.")
class Allowance(View):
    type: str = read("type", description="DATA, VOICE or SMS.")
    service: str = read("service", description="STANDARD or ROAMING.")
    description: str = read("description", description="In words.")
    amount: float | None = read(
        exactly(lambda allowance: None if allowance.unlimited else float(allowance.amount)),
        description="In `unit`; null when unlimited.",
    )
    unit: str = read("unit", description="MB, MINS or SMS.")
    is_unlimited: bool = read("unlimited", description="Whether there is no limit.")
    proto: strawberry.Private[catalogue_pb2.Allowance]


@strawberry.type(
    description="The fair use policy of an unlimited plan: full speed for an amount of data in every 24"
    " hours of its duration, a lower one after it."
)
class FairUse(View):
    daily_mb: int = read(
        "daily_mb", name="dailyMB", description="Data at full speed in 24 hours, in MB, base 10."
    )
    throttle_kbps: int = read("throttle_kbps", description="The speed after it, in kbit/s.")
    proto: strawberry.Private[catalogue_pb2.FairUse]


@strawberry.federation.type(keys=["id"], description="A data plan that can be bought.")
class DataPlan(View):
    id: strawberry.ID = read(
        "id", description="A UUID that depends on the name alone: the same everywhere, forever."
    )
    name: str = read("name", description="The provider's bundle name; its letters' case matters.")
    title: str = read(
        "title",
        description='A name for people: place, data and duration, such as "France, 1 GB, 7 days" or'
        ' "Europe, unlimited, 30 days".',
    )
    description: str = read("description", description="What it is, in words.")
    region: str = read(
        "region", description='The region of more than half of its countries, else "Global".'
    )
    duration: int = read("duration_days", description="How many days it lasts from its start.")
    price: float = read(
        exactly(lambda plan: money.nearest_float(plan.price)),
        description="For one. Calculate with `priceExact`, as a Float is not exact.",
    )
    price_exact: str = read(
        exactly(lambda plan: money.text(plan.price)),
        description='The exact price as a decimal, such as "2.28"; up to three decimal places.',
    )
    currency: str = read("price.currency_code", description='ISO 4217, such as "USD".')
    data_mb: float | None = read(
        exactly(lambda plan: float(plan.data_mb) if plan.HasField("data_mb") else None),
        name="dataMB",
        description="Data in MB, base 10; null when unlimited.",
    )
    is_unlimited: bool = read("unlimited", description="Whether its data has no limit.")
    bundle_group: str = read(
        "bundle_group", description='The provider\'s group, such as "Standard Fixed".'
    )
    features: list[str] = read(
        texts("features"), description='Short texts for a shop\'s card, such as "4G/5G".'
    )
    available_quantity: int = read(
        "available_quantity",
        description="How many can be ordered at once now; 0 when it is not on sale.",
    )
    speeds: list[str] = read(texts("speeds"), description='Radio generations, such as "4G".')
    starts_on_assignment: bool = read(
        "autostart",
        description="True when its days count from delivery, false when from first use.",
    )
    profile_name: str | None = read(
        filled("profile_name"),
        description="The eSIM profile that it needs: an eSIM takes only plans of the profile that it came"
        " with. Null when the provider names none.",
    )
    updated_at: datetime = read(
        recorded("updated_at"), description="When any of this last changed."
    )
    countries: list[Country] = listed(
        "countries", Country, description="The countries that it covers."
    )
    fair_use: FairUse | None = read(
        each(lambda plan: FairUse.of(plan.fair_use) if plan.HasField("fair_use") else None),
        description="The fair use policy; null for a plan that is limited, or whose group states none.",
    )
    allowances: list[Allowance] = listed(
        "allowances", Allowance, description="What it holds beside data."
    )
    proto: strawberry.Private[catalogue_pb2.DataPlan]

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Self | None:  # noqa: A002 - the key's name
        plan = await info.context.loaders.plans.load(id)
        return None if plan is None else cls.of(plan)
