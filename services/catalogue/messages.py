"""Translates the values of the catalogue service into its protos."""

from kit.values import money, timestamps
from kit.values.plain_text import fold
from protos.catalogue.v1 import catalogue_pb2 as pb
from providers.esim_go.countries import flag, iso3
from services.catalogue.curation.curated import NOTHING, Curated
from services.catalogue.facets import Facets
from services.catalogue.language import cldr
from services.catalogue.language.locales import ENGLISH
from services.catalogue.language.wording import fair_use, features, title
from services.catalogue.plan import Country, Plan, PlanOrder
from services.catalogue.store import CountryRow, RegionRow
from services.catalogue.sync.run_store import Run

ORDERS = {
    pb.PLAN_ORDER_UNSPECIFIED: PlanOrder.NAME,
    pb.PLAN_ORDER_NAME: PlanOrder.NAME,
    pb.PLAN_ORDER_PRICE_ASC: PlanOrder.PRICE_ASC,
    pb.PLAN_ORDER_PRICE_DESC: PlanOrder.PRICE_DESC,
    pb.PLAN_ORDER_DURATION_ASC: PlanOrder.DURATION_ASC,
    pb.PLAN_ORDER_DATA_DESC: PlanOrder.DATA_DESC,
}


def plan_message(plan: Plan, curated: Curated = NOTHING, locale: str = ENGLISH) -> pb.DataPlan:
    """Return a plan with what administrators set for it, and generated names in the canonical `locale`."""
    bundle, limit = plan.bundle, fair_use(plan.bundle)
    language = cldr.language_of(locale)
    return pb.DataPlan(
        id=str(plan.id),
        name=bundle.name,
        description=curated.description or bundle.description,
        region=bundle.region,
        countries=[country_message(country, language) for country in bundle.countries],
        duration_days=bundle.duration_days,
        price=money.to_proto(bundle.price, plan.currency),
        data_mb=bundle.data_mb,
        unlimited=bundle.unlimited,
        bundle_group=bundle.bundle_group,
        features=features(bundle),
        available_quantity=plan.available_quantity,
        allowances=[
            pb.Allowance(
                type=allowance.type,
                service=allowance.service,
                description=allowance.description,
                amount=allowance.amount,
                unit=allowance.unit,
                unlimited=allowance.unlimited,
            )
            for allowance in bundle.allowances
        ],
        profile_name=bundle.profile_name,
        autostart=bundle.autostart,
        speeds=bundle.speeds,
        withdrawn=plan.withdrawn,
        hidden=plan.hidden,
        updated_at=timestamps.to_proto(plan.updated_at),
        title=curated.name or title(bundle, language),
        fair_use=pb.FairUse(daily_mb=limit.daily_mb, throttle_kbps=limit.throttle_kbps)
        if limit
        else None,
        price_includes_tax=plan.includes_tax and plan.tax_rate > 0,
        tax_rate=f"{money.plain(plan.tax_rate * 100):f}" if plan.tax_rate else "",
        image_url=curated.image_url,
        badges=curated.badges,
        highlights=curated.highlights,
    )


def country_message(country: Country, language: str = ENGLISH) -> pb.Country:
    """Return a country, named in one of `cldr.LANGUAGES`."""
    return pb.Country(
        name=cldr.country_name(country.iso, country.name, language),
        iso=country.iso,
        region=country.region,
        iso3=iso3(country.iso),
        flag=flag(country.iso),
    )


def region_message(row: RegionRow) -> pb.RegionSummary:
    return pb.RegionSummary(
        name=row.name,
        plan_count=row.plan_count,
        lowest_price=money.to_proto(row.lowest_price, row.currency),
    )


def country_summary(row: CountryRow, language: str = ENGLISH) -> pb.CountrySummary:
    return pb.CountrySummary(
        country=country_message(row.country, language),
        plan_count=row.plan_count,
        lowest_price=money.to_proto(row.lowest_price, row.currency),
    )


def facets_message(
    facets: Facets, countries: pb.ListCountriesResponse, regions: pb.ListRegionsResponse
) -> pb.GetPlanFacetsResponse:
    """Return the tallies by the names of all countries and regions on sale, instead of their keys."""
    # Names that differ only in case or accents have one key, and are listed once.
    by_iso = {fold(row.country.iso): row.country for row in reversed(countries.countries)}
    by_name = {fold(row.name): row.name for row in reversed(regions.regions)}
    durations = {int(days): count for days, count in facets.durations.durations.items()}
    found = pb.GetPlanFacetsResponse(
        total_size=facets.whole.total,
        countries=[
            pb.CountryFacet(country=country, plan_count=facets.countries.countries[key])
            for key, country in reversed(by_iso.items())
            if key in facets.countries.countries
        ],
        regions=[
            pb.RegionFacet(name=name, plan_count=facets.regions.regions[key])
            for key, name in reversed(by_name.items())
            if key in facets.regions.regions
        ],
        durations=[
            pb.DurationFacet(days=days, plan_count=durations[days]) for days in sorted(durations)
        ],
        unlimited_count=facets.unlimited.unlimited.get("true", 0),
        limited_count=facets.unlimited.unlimited.get("false", 0),
        bundle_groups=[
            pb.BundleGroupFacet(name=name, plan_count=count)
            for name, count in sorted(facets.groups.groups.items())
        ],
    )
    prices = facets.prices
    if prices.lowest_price is not None and prices.highest_price is not None and prices.currency:
        found.lowest_price.CopyFrom(money.to_proto(prices.lowest_price, prices.currency))
        found.highest_price.CopyFrom(money.to_proto(prices.highest_price, prices.currency))
    return found


def progress_message(run: Run) -> pb.SyncCatalogueResponse:
    done = run.finished_at is not None
    return pb.SyncCatalogueResponse(
        read=run.read, expected=run.expected, done=done, status=run_message(run) if done else None
    )


def run_message(run: Run | None) -> pb.SyncStatus | None:
    if run is None:
        return None
    return pb.SyncStatus(
        started_at=timestamps.to_proto(run.started_at),
        finished_at=timestamps.to_proto(run.finished_at),
        plan_count=run.plan_count,
        added=run.added,
        changed=run.changed,
        withdrawn=run.withdrawn,
        error=run.error,
        skipped=run.skipped,
        withheld=run.withheld,
        problems=run.problems,
    )
