"""Who buys again, for the finance staff."""

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from gateway.execution.auth import finance_field
from gateway.execution.columns import computed, exact_amount, text, timestamp
from gateway.execution.views import View, listed, read
from gateway.schema.reports.arguments import RangeArgument, ZoneArgument
from gateway.schema.reports.types import ReportPeriod
from gateway.upstream.context import Info
from protos.orders.v1 import reports_pb2 as pb


@strawberry.enum(description="What the customers of a cohort have in common.")
class CohortBy(Enum):
    FIRST_PURCHASE_MONTH = strawberry.enum_value(
        "FIRST_PURCHASE_MONTH", description="The calendar month of their first purchase."
    )
    FIRST_PURCHASE_WEEK = strawberry.enum_value(
        "FIRST_PURCHASE_WEEK", description="The week of their first purchase, from Monday."
    )


@strawberry.enum(description="What is reported of a cohort.")
class CohortMeasure(Enum):
    REPEAT_PURCHASE = strawberry.enum_value(
        "REPEAT_PURCHASE", description="How many customers bought again."
    )
    REVENUE = strawberry.enum_value("REVENUE", description="The net sales as well.")


@strawberry.type(description="The customers of a cohort in one period.")
class CohortCell(View):
    number: int = read(
        "number",
        description="Number of periods since the first purchase; 0 for the period of that purchase.",
    )
    customers: int = read("customers", description="Customers who bought in the period.")
    percent: float = read(
        "percent", description="Their share of the cohort in percent, with two decimal places."
    )
    orders: int = read("orders", description="Number of orders that they bought.")
    net: str | None = read(
        exact_amount("net", optional=True),
        description="gross - tax - refunds - disputes of their orders, each amount on its own day; null"
        " unless REVENUE is measured.",
    )
    currency: str | None = read(
        text("net.currency_code"), description="ISO 4217 code of `net`; null without amounts."
    )
    proto: strawberry.Private[pb.CohortCell]

    period: ReportPeriod = read(
        computed(lambda row: ReportPeriod.of(row.period)), description="The days of the period."
    )


@strawberry.type(description="Customers whose first purchase is in the same period.")
class Cohort(View):
    customers: int = read("customers", description="Number of customers.")
    cells: list[CohortCell] = listed(
        "cells",
        CohortCell,
        description="One for each period from that of the first purchases to the end of the range.",
    )
    proto: strawberry.Private[pb.Cohort]

    period: ReportPeriod = read(
        computed(lambda row: ReportPeriod.of(row.period)),
        description="The days of the first purchases.",
    )


@strawberry.type(description="Cohorts of a range of days.")
class CohortReport(View):
    proto: strawberry.Private[pb.GetCohortsResponse]
    cohorts: list[Cohort] = listed(
        "cohorts",
        Cohort,
        description="One for each period of the range, including those without customers.",
    )
    time_zone: str = read("time_zone", description="IANA name of the zone in which days begin.")
    as_of: datetime = read(timestamp("as_of"), description="When the report was made.")
    complete: bool = read(
        "complete",
        description="False while the sales from before an update of the platform are still being recorded."
        " Until then, the figures may be too low.",
    )
    erased_orders: int = read(
        "erased_orders",
        description="Orders of the range that are in no cohort, as the data of their customers was erased.",
    )
    unconverted_facts: int = read(
        "unconverted_facts",
        description="Entries in other currencies for which no rate to the requested one was recorded: no"
        " amount includes them.",
    )


ByArgument = Annotated[
    CohortBy, strawberry.argument(description="What the customers of a cohort have in common.")
]
MeasureArgument = Annotated[CohortMeasure, strawberry.argument(description="What is reported.")]
CurrencyArgument = Annotated[
    str | None,
    strawberry.argument(
        description="ISO 4217 code into which amounts are converted, each with the rate that was recorded"
        " with its order. Only for REVENUE. Omit to convert nothing: the report fails with CURRENCY_NEEDED if"
        " amounts have several currencies."
    ),
]


@strawberry.type
class CohortQueries:
    """Mixed into Query."""

    @finance_field(
        description="How many customers bought again, by the period of their first purchase of all time. An"
        " organization is one customer. The range limits both first purchases and later ones, so a report of"
        " past days does not change unless customers are erased. Fails with RANGE_TOO_LONG for more than 120"
        " periods."
    )
    async def cohorts(
        self,
        info: Info,
        range: RangeArgument,
        by: ByArgument = CohortBy.FIRST_PURCHASE_MONTH,
        measure: MeasureArgument = CohortMeasure.REPEAT_PURCHASE,
        time_zone: ZoneArgument = None,
        currency: CurrencyArgument = None,
    ) -> CohortReport | None:
        request = pb.GetCohortsRequest(
            range=range.to_proto(),
            by=pb.CohortBy.Value(f"COHORT_BY_{by.name}"),
            measure=pb.CohortMeasure.Value(f"COHORT_MEASURE_{measure.name}"),
            time_zone=time_zone or "",
            currency=currency or "",
        )
        answer = await info.context.call(info.context.peers.reports.GetCohorts, request)
        return CohortReport.of(answer)
