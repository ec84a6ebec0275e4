"""Plans: the provider's bundles, and what the platform adds to sell them."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

from kit.values.plain_text import fold

# Must never change: the ids of all plans are derived from it.
PLAN_NAMESPACE = UUID("e644e97d-888d-458b-b9f0-54876435ac65")
# The region of plans whose countries are not mostly in one region.
GLOBAL = "Global"
# Bundles in one order. The provider reports no stock, so any plan on sale has this many.
MAX_PER_ORDER = 10


@dataclass(frozen=True, slots=True)
class Country:
    """A country that a bundle covers; `iso` is mostly ISO 3166-1 alpha-2, `region` may be empty."""

    name: str
    iso: str
    region: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a bundle includes of one type (DATA, VOICE, SMS); `amount` is meaningless if `unlimited`."""

    type: str
    service: str
    description: str
    amount: int
    unit: str
    unlimited: bool


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as the provider reports it, priced in the organisation's currency.

    `data_mb` is base 10; None if unlimited or unknown.
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
        """The region that more than half of its countries are in, else "Global"."""
        counted = Counter(country.region for country in self.countries)
        for region, count in counted.most_common(1):
            if region and 2 * count > len(self.countries):
                return region
        return GLOBAL

    @property
    def single_country(self) -> bool:
        return len(self.countries) == 1

    @property
    def bundle_group(self) -> str:
        """The first group; empty if there is none."""
        return self.groups[0] if self.groups else ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A bundle as it is sold here; the bundle's price is that of the price list, if there are lists.

    `hidden` is true too if the list has no price for it that keeps the minimum margin. `version` changes
    with every change of the plan or of its price. `tax_rate` is a fraction, such as 0.19.
    """

    id: UUID
    bundle: Bundle
    currency: str
    withdrawn: bool
    hidden: bool
    updated_at: datetime
    version: Hashable
    includes_tax: bool = False
    tax_rate: Decimal = Decimal(0)

    @property
    def available_quantity(self) -> int:
        """How many can be ordered at once now."""
        return 0 if self.withdrawn or self.hidden else MAX_PER_ORDER


@dataclass(frozen=True, slots=True)
class PlanFilter:
    """Conditions that must all be met; None and empty match every plan.

    `words`, `region`, `country` and `countries` are folded, and words contain no spaces. A plan must
    cover all of `countries`. `currency` is that of the prices.
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
    """Return the id of the plan for a bundle name, the same in every installation."""
    return uuid5(PLAN_NAMESPACE, bundle_name)


def region_keys(bundle: Bundle) -> list[str]:
    """Return the keys that a filter by region matches: its countries' regions, and "Global" if it is."""
    regions = {country.region for country in bundle.countries} | {bundle.region}
    return sorted({fold(region) for region in regions if region})


def country_keys(bundle: Bundle) -> list[str]:
    """Return the keys that a filter by country matches: ISO codes and names."""
    keys = {fold(key) for country in bundle.countries for key in (country.iso, country.name)}
    return sorted(keys)


def search_text(bundle: Bundle) -> str:
    """Return the text that a filter by words searches; line breaks separate the fields."""
    names = (country.name for country in bundle.countries)
    return fold("\n".join((bundle.name, bundle.description, bundle.region, *names)))
