"""Translates reports into their protos."""

from kit.reports.messages import days_to_proto
from kit.values import timestamps
from protos.esims.v1 import reports_pb2 as pb
from services.esims.reports.report import Expiry, Figures, Group, Report
from services.esims.usage.check import Difference


def usage_to_proto(report: Report) -> pb.UsageReport:
    return pb.UsageReport(
        rows=[
            pb.UsageReportRow(
                period=days_to_proto(row.days),
                groups=[_group(one) for one in row.groups],
                other=row.other,
                figures=_figures(row.figures),
            )
            for row in report.rows
        ],
        totals=_figures(report.totals),
        time_zone=report.time_zone,
        as_of=timestamps.to_proto(report.as_of),
        truncated=report.truncated,
        recorded_since=timestamps.to_proto(report.recorded_since),
    )


def _figures(figures: Figures) -> pb.UsageFigures:
    return pb.UsageFigures(
        bytes=figures.bytes,
        known_bytes=figures.known_bytes,
        samples=figures.samples,
        widest_gap_seconds=figures.widest_gap,
        bundles_started=figures.bundles_started,
        unlimited_started=figures.unlimited_started,
        visits=figures.visits,
        coverage_percent=figures.coverage_percent,
    )


def _group(group: Group) -> pb.UsageGroup:
    return pb.UsageGroup(
        dimension=pb.UsageDimension.Value(f"USAGE_DIMENSION_{group.dimension}"),
        value=group.value,
        label=group.label,
    )


def expiry_to_proto(report: Expiry) -> pb.GetExpiryResponse:
    return pb.GetExpiryResponse(
        range=days_to_proto(report.days),
        time_zone=report.time_zone,
        as_of=timestamps.to_proto(report.as_of),
        ended=report.ended,
        ended_unused=report.ended_unused,
        ended_unlimited=report.ended_unlimited,
        ended_unknown=report.ended_unknown,
        shares=[
            pb.UsedShare(from_percent=10 * n, bundles=bundles)
            for n, bundles in enumerate(report.shares)
        ],
        included_bytes=report.included_bytes,
        used_bytes=report.used_bytes,
        delivered=report.delivered,
        never_installed=report.never_installed,
        waiting=report.waiting,
        at_risk=report.at_risk,
    )


def difference_to_proto(difference: Difference) -> pb.UsageDifference:
    return pb.UsageDifference(
        time_zone=difference.time_zone,
        day=difference.day.isoformat(),
        message=difference.message,
    )
