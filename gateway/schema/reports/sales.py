"""Reports of sales, for the finance staff."""

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from gateway.execution.auth import finance_field
from gateway.execution.columns import computed, exact_amount, optional, text, timestamp
from gateway.execution.views import View, listed, read
from gateway.schema.reports.arguments import (
    FirstGroupsArgument,
    GroupByArgument,
    IntervalArgument,
    RangeArgument,
    SalesFilterArgument,
    ZoneArgument,
    dimensions,
    first_groups,
    interval_number,
)
from gateway.schema.reports.types import Interval, ReportPeriod, SalesFilter, SalesGroup
from gateway.upstream.context import Info
from protos.orders.v1 import reports_pb2 as pb


@strawberry.enum(description="What a report is compared with.")
class Comparison(Enum):
    PREVIOUS_PERIOD = strawberry.enum_value(
        "PREVIOUS_PERIOD",
        description="As many days right before the range; as many months if range and periods are whole"
        " months.",
    )
    YEAR_BEFORE = strawberry.enum_value(
        "YEAR_BEFORE", description="The same days one year earlier."
    )


@strawberry.enum(description="By which figure groups are ordered, each over the whole range.")
class SalesOrderField(Enum):
    GROSS = strawberry.enum_value("GROSS", description="By gross sales.")
    NET = strawberry.enum_value("NET", description="By net sales.")
    MARGIN = strawberry.enum_value("MARGIN", description="By the margin.")
    ORDERS = strawberry.enum_value("ORDERS", description="By the number of orders.")
    ESIMS = strawberry.enum_value("ESIMS", description="By the number of eSIMs.")
    REFUNDS = strawberry.enum_value("REFUNDS", description="By what was refunded.")
    COST = strawberry.enum_value("COST", description="By the cost.")
    NAME = strawberry.enum_value("NAME", description="By the labels of the groups.")


@strawberry.input(description="Order of the groups of a report.")
class SalesOrder:
    field: SalesOrderField = strawberry.field(
        default=SalesOrderField.GROSS, description="The figure."
    )
    ascending: bool = strawberry.field(
        default=False, description="True for the lowest first. Default: the highest first."
    )


@strawberry.type(
    description="Figures of sales in one currency, as exact decimal strings. net = gross - tax - refunds -"
    " disputes, and margin = net - cost - fees."
)
class SalesFigures(View):
    currency: str | None = read(
        text("gross.currency_code"),
        description="ISO 4217 code of the amounts; null if there are no amounts and the query named no"
        " currency.",
    )
    orders: int = read(
        "orders", description="Orders that were sold, even if they were refunded later."
    )
    esims: int = read("esims", description="eSIMs and top-ups in these orders.")
    gross: str = read(exact_amount("gross"), description="What was sold, with tax.")
    tax: str = read(exact_amount("tax"), description="Tax of sales, less the tax in refunds.")
    refunds: str = read(
        exact_amount("refunds"), description="What was given back, with the tax in it."
    )
    disputes: str = read(
        exact_amount("disputes"),
        description="What the payment provider withdrew because of disputes, less what it gave back.",
    )
    net: str = read(exact_amount("net"), description="gross - tax - refunds - disputes.")
    cost: str = read(
        exact_amount("cost"), description="What eSIM Go charged, less what it paid back."
    )
    fees: str = read(exact_amount("fees"), description="Fees of the payment provider.")
    margin: str = read(exact_amount("margin"), description="net - cost - fees.")
    margin_percent: float | None = read(
        optional("margin_percent"),
        description="Margin in percent of the net, with two decimal places; null if that is not positive.",
    )
    inventory_value: str = read(
        exact_amount("inventory_value"),
        description="Value of bundles that were returned to the inventory. It is part of no other figure.",
    )
    unconverted_facts: int = read(
        "unconverted_facts",
        description="Entries in other currencies for which no rate to this one was recorded: no amount"
        " includes them.",
    )
    proto: strawberry.Private[pb.SalesFigures]


@strawberry.type(description="Figures of one group in one period.")
class SalesRow(View):
    proto: strawberry.Private[pb.SalesRow]
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

    figures: SalesFigures = read(
        computed(lambda row: SalesFigures.of(row.figures)), description="The figures."
    )

    previous: SalesFigures | None = read(
        computed(lambda row: SalesFigures.of(row.previous) if row.HasField("previous") else None),
        description="The figures of the same group in the range that the report is compared with; null"
        " without a comparison.",
    )


@strawberry.type(description="The sums of all rows in one currency.")
class SalesTotals(View):
    proto: strawberry.Private[pb.SalesTotals]

    figures: SalesFigures = read(
        computed(lambda row: SalesFigures.of(row.figures)), description="The sums."
    )

    previous: SalesFigures | None = read(
        computed(lambda row: SalesFigures.of(row.previous) if row.HasField("previous") else None),
        description="The sums in the range that the report is compared with; null without a comparison.",
    )


@strawberry.type(description="A report of sales. Its rows add up to its totals.")
class SalesReport(View):
    proto: strawberry.Private[pb.GetSalesResponse]
    rows: list[SalesRow] = listed(
        "rows",
        SalesRow,
        description="By period, then by group. Without `groupBy`, every period has a row.",
    )
    totals: list[SalesTotals] = listed(
        "totals",
        SalesTotals,
        description="The sums of the rows: one for each currency of the amounts; just one if `currency` was"
        " set.",
    )
    time_zone: str = read("time_zone", description="IANA name of the zone in which days begin.")
    as_of: datetime = read(timestamp("as_of"), description="When the report was made.")
    truncated: bool = read(
        "truncated", description="True if some groups are summed in `other` rows."
    )
    complete: bool = read(
        "complete",
        description="False while the sales from before an update of the platform are still being recorded."
        " Until then, the figures may be too low.",
    )

    previous_range: ReportPeriod | None = read(
        computed(
            lambda row: (
                ReportPeriod.of(row.previous_range) if row.HasField("previous_range") else None
            )
        ),
        description="The range that it is compared with; null without one.",
    )


CurrencyArgument = Annotated[
    str | None,
    strawberry.argument(
        description="ISO 4217 code into which amounts are converted, each with the rate that was recorded"
        " with its order. Omit to convert nothing: the report fails with CURRENCY_NEEDED if amounts have"
        " several currencies, unless it is grouped by CURRENCY."
    ),
]
ComparisonArgument = Annotated[
    Comparison | None, strawberry.argument(description="What to compare with. Omit for nothing.")
]
OrderArgument = Annotated[
    SalesOrder | None,
    strawberry.argument(description="Order of the groups. Omit for the highest gross first."),
]
SoldOnArgument = Annotated[
    bool,
    strawberry.argument(
        description="If true, refunds, costs, fees and disputes count on the day of their sale. By default"
        " each counts on its own day, so a report of past days does not change."
    ),
]


def _comparison(given: Comparison | None) -> pb.Comparison.ValueType:
    return pb.Comparison.Value(f"COMPARISON_{given.name if given else 'UNSPECIFIED'}")


@strawberry.type
class SalesReportQueries:
    """Mixed into Query."""

    @finance_field(
        description="Sales, costs and margins of a range of days, by period and group. Figures come from the"
        " ledger and from what was recorded with each order, so no later change of plans, prices or rates"
        " changes them. Fails with RANGE_TOO_LONG, naming an interval that fits, for more than 400 periods,"
        " and with TOO_MANY_ROWS for more than 10,000 rows."
    )
    async def sales_report(
        self,
        info: Info,
        range: RangeArgument,
        interval: IntervalArgument = Interval.DAY,
        time_zone: ZoneArgument = None,
        currency: CurrencyArgument = None,
        group_by: GroupByArgument = (),  # type: ignore[assignment] # an immutable default
        filter: SalesFilterArgument = None,
        compare_to: ComparisonArgument = None,
        order_by: OrderArgument = None,
        first: FirstGroupsArgument = 100,
        as_sold_on: SoldOnArgument = False,
    ) -> SalesReport | None:
        order = order_by or SalesOrder()
        request = pb.GetSalesRequest(
            range=range.to_proto(),
            interval=interval_number(interval),
            time_zone=time_zone or "",
            currency=currency or "",
            group_by=dimensions(group_by),
            filter=(filter or SalesFilter()).to_proto(),
            compare_to=_comparison(compare_to),
            order_by=pb.SalesField.Value(f"SALES_FIELD_{order.field.name}"),
            ascending=order.ascending,
            first=first_groups(first),
            as_sold_on=as_sold_on,
        )
        answer = await info.context.call(info.context.peers.reports.GetSales, request)
        return SalesReport.of(answer)
