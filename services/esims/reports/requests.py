"""Checks requests to the reports service; a Failure names every bad field of a request."""

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from kit.reports import requests as shared
from kit.reports.periods import Days
from kit.values.checks import Checks
from protos.esims.v1 import reports_pb2 as pb
from providers.esim_go.countries import country_key
from services.esims.reports.report import Dimension, Filter, Wanted

DEFAULT_GROUPS = 100
MAX_GROUPS = 1_000
DIMENSIONS: dict[int, Dimension] = {
    pb.UsageDimension.Value(f"USAGE_DIMENSION_{one}"): one for one in Dimension
}
Request: TypeAlias = pb.GetUsageRequest | pb.GetOrganizationUsageRequest


def usage(request: pb.GetUsageRequest) -> Wanted:
    """Check a report of all usage; raises Failure INVALID."""
    checks = Checks()
    wanted = _wanted(checks, request)
    checks.done()
    return wanted


def organization_usage(request: pb.GetOrganizationUsageRequest) -> tuple[UUID, Wanted]:
    """Check a report of an organization, whose filter does not name it yet; raises Failure INVALID."""
    checks = Checks()
    organization_id = checks.uuid("organization_id", request.organization_id)
    wanted = _wanted(checks, request)
    if Dimension.ORGANIZATION in wanted.group_by:
        n = wanted.group_by.index(Dimension.ORGANIZATION)
        checks.fail(f"group_by[{n}]", "ORGANIZATION has one value here: group by another dimension")
    if request.filter.organization_ids:
        checks.fail("filter.organization_ids", "must be empty: the report is of one organization")
    checks.done()
    return organization_id, wanted


def expiry(request: pb.GetExpiryRequest) -> tuple[Days, str]:
    """Return the days, and the time zone if one is named; raises Failure INVALID."""
    checks = Checks()
    days = shared.days(checks, request.range)
    zone = shared.zone(checks, request.time_zone)
    checks.done()
    return days, zone


def organization_expiry(request: pb.GetOrganizationExpiryRequest) -> tuple[UUID, Days, str]:
    """Return the organization, and what `expiry` returns; raises Failure INVALID."""
    checks = Checks()
    organization_id = checks.uuid("organization_id", request.organization_id)
    days = shared.days(checks, request.range)
    zone = shared.zone(checks, request.time_zone)
    checks.done()
    return organization_id, days, zone


def _wanted(checks: Checks, request: Request) -> Wanted:
    return Wanted(
        days=shared.days(checks, request.range),
        interval=shared.interval(checks, request.interval),
        time_zone=shared.zone(checks, request.time_zone),
        group_by=shared.group_by(checks, request.group_by, DIMENSIONS),
        filter=_filter(checks, request.filter),
        first=checks.between("first", request.first or DEFAULT_GROUPS, 1, MAX_GROUPS),
    )


def _filter(checks: Checks, given: pb.UsageFilter) -> Filter:
    ids: Sequence[str] = shared.few(checks, "organization_ids", given.organization_ids)
    return Filter(
        countries=tuple(
            country_key(text).upper() for text in shared.texts(checks, "countries", given.countries)
        ),
        plans=shared.texts(checks, "plans", given.plans),
        organization_ids=tuple(
            checks.uuid(f"filter.organization_ids[{n}]", text) for n, text in enumerate(ids)
        ),
    )
