"""Checks requests to the reports service; a Failure names every bad field of a request."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from kit.reports import requests as shared
from kit.values import currencies
from kit.values.checks import Checks
from protos.orders.v1 import reports_pb2 as pb
from providers.esim_go.countries import country_key
from services.orders.reports.report import (
    Comparison,
    Dimension,
    Field,
    Filter,
    Wanted,
)

DEFAULT_GROUPS = 100
MAX_GROUPS = 1_000
MAX_DURATION = 10_000
DIMENSIONS: dict[int, Dimension] = {
    pb.SalesDimension.Value(f"SALES_DIMENSION_{one}"): one for one in Dimension
}
FIELDS: dict[int, Field] = {pb.SalesField.Value(f"SALES_FIELD_{one}"): one for one in Field}
COMPARISONS: dict[int, Comparison | None] = {
    pb.Comparison.Value(f"COMPARISON_{one}"): one for one in Comparison
}
SOURCES: dict[int, str] = {
    pb.SalesSource.Value(f"SALES_SOURCE_{one}"): one for one in ("SHOP", "API", "BATCH", "NONE")
}


def sales(request: pb.GetSalesRequest) -> Wanted:
    """Check a sales report; raises Failure INVALID."""
    checks = Checks()
    wanted = Wanted(
        days=shared.days(checks, request.range),
        interval=shared.interval(checks, request.interval),
        time_zone=shared.zone(checks, request.time_zone),
        currency=currency(checks, "currency", request.currency) if request.currency else "",
        group_by=_group_by(checks, request.group_by),
        filter=sales_filter(checks, request.filter),
        compare_to=shared.one(checks, "compare_to", request.compare_to, COMPARISONS, None),
        order_by=shared.one(checks, "order_by", request.order_by, FIELDS, Field.GROSS),
        ascending=request.ascending,
        first=checks.between("first", request.first or DEFAULT_GROUPS, 1, MAX_GROUPS),
        as_sold_on=request.as_sold_on,
    )
    checks.done()
    return wanted


def spending(request: pb.GetSpendingRequest) -> tuple[UUID, Wanted]:
    """Check a report of an organization; raises Failure INVALID. The currency is set later."""
    checks = Checks()
    organization_id = checks.uuid("organization_id", request.organization_id)
    group_by = _group_by(checks, request.group_by)
    for n, one in enumerate(group_by):
        if one in (Dimension.CURRENCY, Dimension.ORGANIZATION):
            checks.fail(f"group_by[{n}]", f"{one} has one value here: group by another dimension")
    if request.filter.organization_ids:
        checks.fail("filter.organization_ids", "must be empty: the report is of one organization")
    wanted = Wanted(
        days=shared.days(checks, request.range),
        interval=shared.interval(checks, request.interval),
        time_zone=shared.zone(checks, request.time_zone),
        group_by=group_by,
        filter=sales_filter(checks, request.filter),
        first=checks.between("first", request.first or DEFAULT_GROUPS, 1, MAX_GROUPS),
    )
    checks.done()
    return organization_id, wanted


def rebuild(request: pb.RebuildSalesRequest) -> date | None:
    """Return the first day; None for all."""
    if not request.from_day:
        return None
    checks = Checks()
    day = shared.day(checks, "from_day", request.from_day)
    checks.done()
    return day


def currency(checks: Checks, field: str, code: str) -> str:
    """Return the code of a currency that exists, or existed when something was sold."""
    if not currencies.was_known(code):
        checks.fail(field, "must be an ISO 4217 code in upper case, such as EUR")
    return code


def _group_by(checks: Checks, numbers: Sequence[int]) -> tuple[Dimension, ...]:
    found = shared.group_by(checks, numbers, DIMENSIONS)
    if Dimension.AREA in found and {Dimension.COUNTRY, Dimension.REGION} & set(found):
        checks.fail(
            "group_by",
            "AREA is the country or the region already: group by AREA alone, or by REGION and COUNTRY",
        )
    return found


def sales_filter(checks: Checks, given: pb.SalesFilter) -> Filter:
    """Return the field `filter`."""
    return Filter(
        countries=tuple(
            country_key(text).upper() for text in shared.texts(checks, "countries", given.countries)
        ),
        areas=shared.texts(checks, "areas", given.areas),
        regions=shared.texts(checks, "regions", given.regions),
        plans=shared.texts(checks, "plans", given.plans),
        durations=tuple(
            checks.between(f"filter.durations[{n}]", days, 0, MAX_DURATION)
            for n, days in enumerate(shared.few(checks, "durations", given.durations))
        ),
        currencies=tuple(
            currency(checks, f"filter.currencies[{n}]", code)
            for n, code in enumerate(shared.few(checks, "currencies", given.currencies))
        ),
        organization_ids=tuple(
            checks.uuid(f"filter.organization_ids[{n}]", text)
            for n, text in enumerate(shared.few(checks, "organization_ids", given.organization_ids))
        ),
        coupon_codes=tuple(
            code.upper() for code in shared.texts(checks, "coupon_codes", given.coupon_codes)
        ),
        sources=tuple(
            _source(checks, f"filter.sources[{n}]", number)
            for n, number in enumerate(shared.few(checks, "sources", given.sources))
        ),
        unlimited=given.unlimited if given.HasField("unlimited") else None,
    )


def _source(checks: Checks, field: str, number: int) -> str:
    if number not in SOURCES:
        checks.fail(field, f"must be one of {', '.join(SOURCES.values())}")
    return SOURCES.get(number, "")
