"""Schema types of plans."""

from datetime import datetime
from typing import Self

import strawberry

from gateway.execution.columns import (
    computed,
    exact_amount,
    float_amount,
    output,
    strings,
    text,
    timestamp,
)
from gateway.execution.views import View, listed, loaded, read
from gateway.schema.plans.networks import CountryNetworks, Network
from gateway.upstream.context import Info
from protos.catalogue.v1 import catalogue_pb2


@strawberry.type(description="A country that a plan covers.")
class Country(View):
    name: str = read(
        "name", description='Name in the language of the query\'s `locale`, such as "France".'
    )
    iso: str = read(
        "iso",
        description="ISO 3166-1 alpha-2 code in most cases; the provider adds a few codes that are not in"
        " ISO 3166-1.",
    )
    region: str = read(
        "region", description='The provider\'s region of the country, such as "Europe".'
    )
    iso3: str | None = read(
        text("iso3"),
        description='ISO 3166-1 alpha-3 code, such as "FRA"; null for a territory that has none.',
    )
    flag: str | None = read(
        text("flag"),
        description="Flag emoji; null for a territory that has none. A part of a country has the"
        " flag of that country.",
    )
    networks: list[Network] | None = loaded(
        "networks",
        "iso",
        list[Network] | None,
        description="Mobile networks of the country, as of the last daily refresh; empty if the"
        " provider reports none. Null if temporarily unavailable.",
    )
    proto: strawberry.Private[catalogue_pb2.Country]


@strawberry.type(description="An allowance of a plan beside its data, such as voice minutes.")
class Allowance(View):
    type: str = read("type", description="DATA, VOICE or SMS.")
    service: str = read("service", description="STANDARD or ROAMING.")
    description: str = read("description", description="Human-readable description.")
    amount: float | None = read(
        output(lambda allowance: None if allowance.unlimited else float(allowance.amount)),
        description="Amount, in `unit`; null if unlimited.",
    )
    unit: str = read("unit", description="MB, MINS or SMS.")
    is_unlimited: bool = read("unlimited", description="True if the allowance is unlimited.")
    proto: strawberry.Private[catalogue_pb2.Allowance]


@strawberry.type(
    description="Fair use policy of an unlimited plan: in every 24 hours, full speed up to an"
    " amount of data, and a reduced speed after it."
)
class FairUse(View):
    daily_mb: int = read(
        "daily_mb", name="dailyMB", description="Data at full speed per 24 hours, in MB, base 10."
    )
    throttle_kbps: int = read("throttle_kbps", description="Speed after that amount, in kbit/s.")
    proto: strawberry.Private[catalogue_pb2.FairUse]


@strawberry.federation.type(keys=["id"], description="A data plan that can be bought.")
class DataPlan(View):
    id: strawberry.ID = read(
        "id",
        description="A UUID derived from the name alone, so it never changes and is the same in every"
        " deployment.",
    )
    name: str = read("name", description="The provider's bundle name. Case-sensitive.")
    title: str = read(
        "title",
        description="Display name in the language of the query's `locale`: the one that an administrator"
        ' set, or one made of place, data and duration, such as "France, 1 GB, 7 days" or "Europe,'
        ' unlimited, 30 days".',
    )
    description: str = read(
        "description",
        description="Human-readable description, in the language of the query's `locale` if an"
        " administrator set one, else in English.",
    )
    highlights: list[str] = read(
        strings("highlights"),
        description="Selling points set by an administrator, in the same languages as `description`;"
        " usually empty.",
    )
    image_url: str | None = read(
        text("image_url"),
        description="HTTPS address of an image, set by an administrator; null if there is none.",
    )
    badges: list[str] = read(
        strings("badges"),
        description='Short labels set by an administrator, such as "Bestseller", the same in every'
        " language.",
    )
    region: str = read(
        "region",
        description='Region of more than half of the plan\'s countries, or "Global" if there is none.',
    )
    duration: int = read(
        "duration_days", description="Duration in days, counted from the start of the plan."
    )
    price: float = read(
        float_amount("price"),
        description="Price of one item. Use `priceExact` for calculations, because a Float is not exact.",
    )
    price_exact: str = read(
        exact_amount("price"),
        description='The exact price as a decimal string, such as "2.28"; up to three decimal places.',
    )
    currency: str = read(
        "price.currency_code", description='ISO 4217 currency code of the price, such as "USD".'
    )
    price_includes_tax: bool = read(
        "price_includes_tax",
        description="True if the price includes tax; false if tax is added at the purchase, or there is"
        " none.",
    )
    tax_rate: str | None = read(
        text("tax_rate"),
        description='Tax rate in percent as a decimal string, such as "19"; null if there is no tax.',
    )
    data_mb: float | None = read(
        output(lambda plan: float(plan.data_mb) if plan.HasField("data_mb") else None),
        name="dataMB",
        description="Data in MB, base 10; null if unlimited.",
    )
    is_unlimited: bool = read("unlimited", description="True if data is unlimited.")
    bundle_group: str = read(
        "bundle_group", description='The provider\'s bundle group, such as "Standard Fixed".'
    )
    features: list[str] = read(
        strings("features"), description='Short labels for a product card, such as "4G/5G".'
    )
    available_quantity: int = read(
        "available_quantity",
        description="Maximum quantity of one order now; 0 if the plan is not on sale.",
    )
    speeds: list[str] = read(strings("speeds"), description='Radio technologies, such as "4G".')
    starts_on_assignment: bool = read(
        "autostart",
        description="True if the duration starts at delivery; false if it starts at first use.",
    )
    profile_name: str | None = read(
        text("profile_name"),
        description="Name of the eSIM profile that the plan requires. An eSIM accepts only plans"
        " with the profile it was delivered with. Null if the provider reports none.",
    )
    updated_at: datetime = read(
        timestamp("updated_at"), description="When any field of the plan last changed."
    )
    countries: list[Country] = listed(
        "countries", Country, description="The countries that the plan covers."
    )
    networks: list[CountryNetworks] | None = loaded(
        "plan_networks",
        lambda plan: tuple(country.iso for country in plan.countries),
        list[CountryNetworks] | None,
        description="Mobile networks of each country of the plan, as of the last daily refresh. Null if"
        " temporarily unavailable.",
    )
    fair_use: FairUse | None = read(
        computed(lambda plan: FairUse.of(plan.fair_use) if plan.HasField("fair_use") else None),
        description="Fair use policy; null for a limited plan, or if the plan's group defines none.",
    )
    allowances: list[Allowance] = listed(
        "allowances", Allowance, description="Allowances beside data."
    )
    proto: strawberry.Private[catalogue_pb2.DataPlan]

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Self | None:
        plan = await info.context.loaders.plans.load(id)
        return None if plan is None else cls.of(plan)
