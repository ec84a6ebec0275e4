"""Which bundles match a filter, and which are featured when nobody chose; the store's SQL says the same."""

from collections import Counter
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from services.catalogue.plan import Bundle, PlanFilter, country_keys, region_keys, search_text

# Prices per day are compared to so many places: enough for 0.001 over a year.
PER_DAY = Decimal("0.000001")


def matches(bundle: Bundle, wanted: PlanFilter) -> bool:
    """Whether all conditions hold; the caller sees to it that prices are in the same currency."""
    return (
        (wanted.region is None or wanted.region in region_keys(bundle))
        and (wanted.country is None or wanted.country in country_keys(bundle))
        and set(wanted.countries) <= set(country_keys(bundle))
        and wanted.single_country in (None, bundle.single_country)
        and wanted.duration_days in (None, bundle.duration_days)
        and (wanted.min_days is None or bundle.duration_days >= wanted.min_days)
        and (wanted.max_days is None or bundle.duration_days <= wanted.max_days)
        and (wanted.min_price is None or bundle.price >= wanted.min_price)
        and (wanted.max_price is None or bundle.price <= wanted.max_price)
        and wanted.unlimited in (None, bundle.unlimited)
        and (wanted.bundle_group is None or wanted.bundle_group in bundle.groups)
        and (not wanted.words or all(word in search_text(bundle) for word in wanted.words))
        and (
            wanted.min_data_mb is None
            or bundle.unlimited
            or (bundle.data_mb or 0) >= wanted.min_data_mb
        )
    )


def price_per_day(bundle: Bundle) -> Decimal:
    """Rounded to six places, half away from zero, as PostgreSQL rounds numerics."""
    return (bundle.price / bundle.duration_days).quantize(PER_DAY, ROUND_HALF_UP)


def cheapest_by_region(bundles: Iterable[Bundle], most: int) -> list[Bundle]:
    """The bundle with the lowest price per day of each region (ties by name).

    Regions come in the order of their number of bundles, then by name; `most` of them.
    """
    counts: Counter[str] = Counter()
    best: dict[str, Bundle] = {}
    for bundle in sorted(bundles, key=lambda bundle: (price_per_day(bundle), bundle.name)):
        best.setdefault(bundle.region, bundle)
        counts[bundle.region] += 1
    regions = sorted(best, key=lambda region: (-counts[region], region))
    return [best[region] for region in regions[:most]]
