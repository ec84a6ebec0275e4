"""Matches bundles with filters, and chooses featured ones, in memory by the same rules as the SQL."""

from collections import Counter
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from services.catalogue.plan import Bundle, PlanFilter, country_keys, region_keys, search_text

# Precision of prices per day: enough for 0.001 over a year.
PER_DAY = Decimal("0.000001")


def matches(bundle: Bundle, criteria: PlanFilter) -> bool:
    """Return whether the bundle meets all conditions; the caller checks the currency of prices."""
    return (
        (criteria.region is None or criteria.region in region_keys(bundle))
        and (criteria.country is None or criteria.country in country_keys(bundle))
        and set(criteria.countries) <= set(country_keys(bundle))
        and criteria.single_country in (None, bundle.single_country)
        and criteria.duration_days in (None, bundle.duration_days)
        and (criteria.min_days is None or bundle.duration_days >= criteria.min_days)
        and (criteria.max_days is None or bundle.duration_days <= criteria.max_days)
        and (criteria.min_price is None or bundle.price >= criteria.min_price)
        and (criteria.max_price is None or bundle.price <= criteria.max_price)
        and criteria.unlimited in (None, bundle.unlimited)
        and (criteria.bundle_group is None or criteria.bundle_group in bundle.groups)
        and (not criteria.words or all(word in search_text(bundle) for word in criteria.words))
        and (
            criteria.min_data_mb is None
            or bundle.unlimited
            or (bundle.data_mb or 0) >= criteria.min_data_mb
        )
    )


def price_per_day(bundle: Bundle) -> Decimal:
    """Return the price per day, rounded half away from zero, as PostgreSQL rounds."""
    return (bundle.price / bundle.duration_days).quantize(PER_DAY, ROUND_HALF_UP)


def cheapest_by_region(bundles: Iterable[Bundle], limit: int) -> list[Bundle]:
    """Return the bundle with the lowest price per day (then by name) of each region, up to `limit`.

    The regions with most bundles come first, then by name.
    """
    counts: Counter[str] = Counter()
    best: dict[str, Bundle] = {}
    for bundle in sorted(bundles, key=lambda bundle: (price_per_day(bundle), bundle.name)):
        best.setdefault(bundle.region, bundle)
        counts[bundle.region] += 1
    regions = sorted(best, key=lambda region: (-counts[region], region))
    return [best[region] for region in regions[:limit]]
