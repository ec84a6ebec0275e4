"""Plans as values: what the provider offers as a bundle, and what the platform adds to sell it."""

import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

# Fixed for ever: plan ids are derived from it in every database and cache.
PLAN_NAMESPACE = UUID("e644e97d-888d-458b-b9f0-54876435ac65")
# A plan that no region has the most of.
GLOBAL = "Global"
# The most that one order may hold. The provider tells no stock, so any plan on sale has this many.
MOST_PER_ORDER = 10


@dataclass(frozen=True, slots=True)
class Country:
    """A country that a bundle covers; `iso` is mostly ISO 3166-1 alpha-2, `region` may be empty."""

    name: str
    iso: str
    region: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a bundle holds of one type (DATA, VOICE, SMS); `amount` says nothing when unlimited."""

    type: str
    service: str
    description: str
    amount: int
    unit: str
    unlimited: bool


@dataclass(frozen=True, slots=True)
class Bundle:
    """What the provider says of one bundle; the price is in its organisation's currency.

    `data_mb` is base 10, and None when unlimited or when the provider names no amount.
    """

    name: str
    description: str
    groups: tuple[str, ...]
    countries: tuple[Country, ...]
    duration_days: int
    price: Decimal
    data_mb: int | None
    unlimited: bool
    speeds: tuple[str, ...]
    autostart: bool
    profile_name: str
    allowances: tuple[Allowance, ...]

    @property
    def region(self) -> str:
        """The region of more than half of its countries, else "Global"."""
        counted = Counter(country.region for country in self.countries)
        for region, count in counted.most_common(1):
            if region and 2 * count > len(self.countries):
                return region
        return GLOBAL

    @property
    def single_country(self) -> bool:
        """Whether it covers exactly one country."""
        return len(self.countries) == 1

    @property
    def bundle_group(self) -> str:
        """The first group, or empty."""
        return self.groups[0] if self.groups else ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A bundle as it is sold here."""

    id: UUID
    bundle: Bundle
    currency: str
    withdrawn: bool
    hidden: bool
    updated_at: datetime

    @property
    def available_quantity(self) -> int:
        """How many one order may hold now."""
        return 0 if self.withdrawn or self.hidden else MOST_PER_ORDER


@dataclass(frozen=True, slots=True)
class PlanFilter:
    """Conditions that all must hold; None and empty hold for every plan.

    `words`, `region`, `country` and `countries` are folded; no word has a blank in it. A plan covers
    all of `countries`. Prices are in `currency`, which only they need.
    """

    region: str | None = None
    country: str | None = None
    duration_days: int | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    currency: str | None = None
    unlimited: bool | None = None
    bundle_group: str | None = None
    words: tuple[str, ...] = ()
    min_data_mb: int | None = None
    include_unavailable: bool = False
    countries: tuple[str, ...] = ()
    min_days: int | None = None
    max_days: int | None = None
    single_country: bool | None = None


class PlanOrder(StrEnum):
    """How a list is sorted; ties are sorted by name, in the same direction."""

    NAME = "name"
    PRICE_ASC = "price_asc"
    PRICE_DESC = "price_desc"
    DURATION_ASC = "duration_asc"
    DATA_DESC = "data_desc"


def plan_id(bundle_name: str) -> UUID:
    """The id of the plan for a bundle name: the same everywhere and for ever."""
    return uuid5(PLAN_NAMESPACE, bundle_name)


def fold(text: str) -> str:
    """Text for comparing: without case, accents, outer spaces and typographic apostrophes.

    "Côte d’Ivoire" and "cote d'ivoire" are one country to whoever types it.
    """
    plain = unicodedata.normalize("NFKD", text.replace("’", "'").strip().casefold())
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def region_keys(bundle: Bundle) -> list[str]:
    """What a filter by region finds the bundle by: its countries' regions, and "Global" if it is."""
    regions = {country.region for country in bundle.countries} | {bundle.region}
    return sorted({fold(region) for region in regions if region})


def country_keys(bundle: Bundle) -> list[str]:
    """What a filter by country finds the bundle by: ISO codes and names."""
    keys = {fold(key) for country in bundle.countries for key in (country.iso, country.name)}
    return sorted(keys)


def search_text(bundle: Bundle) -> str:
    """What a filter by text looks into; a line break keeps words from spanning two fields."""
    names = (country.name for country in bundle.countries)
    return fold("\n".join((bundle.name, bundle.description, bundle.region, *names)))
