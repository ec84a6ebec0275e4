"""Reports of usage, for the staff and for members of organizations."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from gateway.execution.auth import auth_field, support_field
from gateway.schema.organizations.organization_inputs import OrganizationIdArgument
from gateway.schema.reports.arguments import (
    FirstGroupsArgument,
    IntervalArgument,
    RangeArgument,
    ZoneArgument,
    first_groups,
    interval_number,
)
from gateway.schema.reports.types import Interval
from gateway.schema.reports.usage_types import UsageDimension, UsageFilter, UsageReport
from gateway.upstream.context import Info
from protos.esims.v1 import reports_pb2 as pb

GroupByArgument = Annotated[
    list[UsageDimension],
    strawberry.argument(description="At most 3 dimensions. Empty: one group of everything."),
]
FilterArgument = Annotated[
    UsageFilter | None, strawberry.argument(description="What counts. Omit for everything.")
]


def _dimensions(given: Sequence[UsageDimension]) -> list[pb.UsageDimension.ValueType]:
    return [pb.UsageDimension.Value(f"USAGE_DIMENSION_{one.name}") for one in given]


@strawberry.type
class UsageReportQueries:
    """Mixed into Query."""

    @support_field(
        description="Data that eSIMs used, bundles that were started and visits of countries in a range of"
        " days, by period and group. Fails with RANGE_TOO_LONG, naming an interval that fits, for more than"
        " 400 periods, with TOO_MANY_ROWS for more than 10,000 rows, and with RANGE_TOO_OLD for days whose"
        " samples were deleted, in a time zone in which they had not been summed."
    )
    async def usage_report(
        self,
        info: Info,
        range: RangeArgument,
        interval: IntervalArgument = Interval.DAY,
        time_zone: ZoneArgument = None,
        group_by: GroupByArgument = (),  # type: ignore[assignment] # an immutable default
        filter: FilterArgument = None,
        first: FirstGroupsArgument = 100,
    ) -> UsageReport | None:
        request = pb.GetUsageRequest(
            range=range.to_proto(),
            interval=interval_number(interval),
            time_zone=time_zone or "",
            group_by=_dimensions(group_by),
            filter=(filter or UsageFilter()).to_proto(),
            first=first_groups(first),
        )
        answer = await info.context.call(info.context.peers.usage_reports.GetUsage, request)
        return UsageReport.of(answer.report)

    @auth_field(
        description="Data that the eSIMs of an organization used in a range of days, by period and group,"
        " for its owners, managers and finance. It can't be grouped by ORGANIZATION. Fails with NOT_FOUND"
        " for an organization of which the caller is no member, and with FORBIDDEN for members with another"
        " role."
    )
    async def organization_usage(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        range: RangeArgument,
        interval: IntervalArgument = Interval.DAY,
        time_zone: ZoneArgument = None,
        group_by: GroupByArgument = (),  # type: ignore[assignment] # an immutable default
        filter: FilterArgument = None,
        first: FirstGroupsArgument = 100,
    ) -> UsageReport | None:
        request = pb.GetOrganizationUsageRequest(
            organization_id=organization_id,
            range=range.to_proto(),
            interval=interval_number(interval),
            time_zone=time_zone or "",
            group_by=_dimensions(group_by),
            filter=(filter or UsageFilter()).to_proto(),
            first=first_groups(first),
        )
        answer = await info.context.call(
            info.context.peers.usage_reports.GetOrganizationUsage, request
        )
        return UsageReport.of(answer.report)
