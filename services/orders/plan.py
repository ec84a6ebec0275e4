"""Plans as the catalogue sells them, with what a sale costs the shop."""

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from kit.values.margin import Terms

# Without price lists there is no tax, and nothing is converted.
AT_COST = Terms(includes_tax=False)


@dataclass(frozen=True, slots=True)
class SoldPlan:
    """A plan as it was sold, which is stored with the order; `data_mb` is None if it is unlimited."""

    title: str
    description: str
    countries: tuple[str, ...]  # ISO codes
    duration_days: int
    data_mb: int | None
    unlimited: bool
    fair_use_daily_mb: int = 0
    fair_use_kbps: int = 0
    region: str = ""  # main region; the database stores it beside the object

    def to_json(self) -> dict[str, Any]:
        """Return the object that the database stores."""
        return asdict(self) | {"countries": list(self.countries)}


@dataclass(frozen=True, slots=True)
class Listing:
    """The price list that a plan is sold from, and the terms of its price.

    `absorb` is the margin of one plan, in the list's currency, down to which a sale goes ahead although the
    cost rose. `least_price` is the least price of one plan before rounding, None if no price is enough.
    `rate_at` is when the exchange rate was published, None if cost and price have the same currency.
    `tax_country` is the country whose tax rate applies, empty without tax.
    """

    price_list: str
    rule_version: int
    terms: Terms
    absorb: Decimal
    least_price: Decimal | None
    rate_at: datetime | None = None
    tax_country: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of the catalogue; `price` and `cost` are for one, in units of their currencies.

    `confirmed_at` is when the provider last offered it at this cost; None if that is unknown. `listing` is
    None without price lists: then the price is the cost.
    """

    bundle_name: str
    price: Decimal
    currency: str
    cost: Decimal
    cost_currency: str
    confirmed_at: datetime | None = None
    bundle_group: str = ""
    sold: SoldPlan | None = None
    listing: Listing | None = None

    @property
    def terms(self) -> Terms:
        """The tax, payment fee and exchange rate of a sale."""
        return self.listing.terms if self.listing else AT_COST
