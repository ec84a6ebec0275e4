"""Reports of what an organization spent, for its members."""

from datetime import datetime
from typing import Annotated

import strawberry

from gateway.execution.auth import auth_field
from gateway.execution.columns import computed, exact_amount, timestamp
from gateway.execution.views import View, listed, read
from gateway.schema.organizations.organization_inputs import OrganizationIdArgument
from gateway.schema.reports.arguments import (
    FirstGroupsArgument,
    GroupByArgument,
    IntervalArgument,
    RangeArgument,
    SalesFilterArgument,
    dimensions,
    first_groups,
    interval_number,
)
from gateway.schema.reports.types import Interval, ReportPeriod, SalesFilter, SalesGroup
from gateway.upstream.context import Info
from protos.orders.v1 import reports_pb2 as pb


@strawberry.type(
    description="What an organization paid or owes, in its currency, as exact decimal strings."
)
class SpendingFigures(View):
    currency: str = read("gross.currency_code", description="ISO 4217 code of the amounts.")
    orders: int = read("orders", description="Orders, even if they were refunded later.")
    esims: int = read("esims", description="eSIMs and top-ups in these orders.")
    gross: str = read(exact_amount("gross"), description="What was bought, with tax.")
    refunds: str = read(exact_amount("refunds"), description="What was given back, with tax.")
    spent: str = read(exact_amount("spent"), description="gross - refunds.")
    tax: str = read(exact_amount("tax"), description="The tax in what was spent.")
    proto: strawberry.Private[pb.SpendingFigures]


@strawberry.type(description="What an organization spent on one group in one period.")
class SpendingRow(View):
    proto: strawberry.Private[pb.SpendingRow]
    groups: list[SalesGroup] = listed(
        "groups",
        SalesGroup,
        description="The values, in the order of `groupBy`; empty for the row of all other groups.",
    )
    other: bool = read(
        "other", description="True for the sum of all groups that are not among the first."
    )

    period: ReportPeriod = read(
        computed(lambda row: ReportPeriod.of(row.period)), description="The days of the period."
    )

    figures: SpendingFigures = read(
        computed(lambda row: SpendingFigures.of(row.figures)), description="The figures."
    )


@strawberry.type(
    description="A report of what an organization spent. Its rows add up to its totals."
)
class SpendingReport(View):
    proto: strawberry.Private[pb.GetSpendingResponse]
    rows: list[SpendingRow] = listed(
        "rows",
        SpendingRow,
        description="By period, then by group. Without `groupBy`, every period has a row.",
    )
    time_zone: str = read("time_zone", description="IANA name of the zone in which days begin.")
    as_of: datetime = read(timestamp("as_of"), description="When the report was made.")
    truncated: bool = read(
        "truncated", description="True if some groups are summed in `other` rows."
    )
    complete: bool = read(
        "complete",
        description="False while the purchases from before an update of the platform are still being"
        " recorded. Until then, the figures may be too low.",
    )

    totals: SpendingFigures = read(
        computed(lambda row: SpendingFigures.of(row.totals)), description="The sums of the rows."
    )


ZoneArgument = Annotated[
    str | None,
    strawberry.argument(
        description="IANA name of the zone in which days begin. Omit for that of the organization."
    ),
]


@strawberry.type
class SpendingReportQueries:
    """Mixed into Query."""

    @auth_field(
        description="What an organization spent in a range of days, by period and group, for its owners,"
        " managers and finance. It can't be grouped by CURRENCY or ORGANIZATION. Fails with NOT_FOUND for an"
        " organization of which the caller is no member, and with FORBIDDEN for members with another role."
    )
    async def spending_report(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        range: RangeArgument,
        interval: IntervalArgument = Interval.DAY,
        time_zone: ZoneArgument = None,
        group_by: GroupByArgument = (),  # type: ignore[assignment] # an immutable default
        filter: SalesFilterArgument = None,
        first: FirstGroupsArgument = 100,
    ) -> SpendingReport | None:
        request = pb.GetSpendingRequest(
            organization_id=organization_id,
            range=range.to_proto(),
            interval=interval_number(interval),
            time_zone=time_zone or "",
            group_by=dimensions(group_by),
            filter=(filter or SalesFilter()).to_proto(),
            first=first_groups(first),
        )
        answer = await info.context.call(info.context.peers.reports.GetSpending, request)
        return SpendingReport.of(answer)
