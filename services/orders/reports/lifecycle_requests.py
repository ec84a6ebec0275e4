"""Checks requests for funnels and cohorts; a Failure names every bad field of a request."""

from kit.reports import requests as shared
from kit.values.checks import Checks
from protos.orders.v1 import reports_pb2 as pb
from services.orders.reports import requests
from services.orders.reports.cohort import CohortBy, Measure, WantedCohorts
from services.orders.reports.funnel import WantedFunnel

BY: dict[int, CohortBy] = {pb.CohortBy.Value(f"COHORT_BY_{one}"): one for one in CohortBy}
MEASURES: dict[int, Measure] = {
    pb.CohortMeasure.Value(f"COHORT_MEASURE_{one}"): one for one in Measure
}


def funnel(request: pb.GetFunnelRequest) -> WantedFunnel:
    """Check a funnel; raises Failure INVALID."""
    checks = Checks()
    wanted = WantedFunnel(
        days=shared.days(checks, request.range),
        time_zone=shared.zone(checks, request.time_zone),
        filter=requests.sales_filter(checks, request.filter),
    )
    checks.done()
    return wanted


def cohorts(request: pb.GetCohortsRequest) -> WantedCohorts:
    """Check a report of cohorts; raises Failure INVALID."""
    checks = Checks()
    wanted = WantedCohorts(
        days=shared.days(checks, request.range),
        by=shared.one(checks, "by", request.by, BY, CohortBy.FIRST_PURCHASE_MONTH),
        measure=shared.one(checks, "measure", request.measure, MEASURES, Measure.REPEAT_PURCHASE),
        time_zone=shared.zone(checks, request.time_zone),
        currency=requests.currency(checks, "currency", request.currency)
        if request.currency
        else "",
    )
    if wanted.currency and wanted.measure is not Measure.REVENUE:
        checks.fail("currency", f"must be empty for {wanted.measure}, which has no amounts")
    checks.done()
    return wanted
