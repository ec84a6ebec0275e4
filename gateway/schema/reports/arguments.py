"""Arguments that reports share."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from gateway.schema.reports.types import DateRange, Interval, SalesDimension, SalesFilter
from kit.errors import invalid
from protos.common.v1 import days_pb2
from protos.orders.v1 import reports_pb2 as pb

MAX_GROUPS = 1_000
RangeArgument = Annotated[DateRange, strawberry.argument(description="The days of the report.")]
IntervalArgument = Annotated[
    Interval, strawberry.argument(description="Length of a period. At most 400 periods.")
]
GroupByArgument = Annotated[
    list[SalesDimension],
    strawberry.argument(description="At most 3 dimensions. Empty: one group of everything."),
]
SalesFilterArgument = Annotated[
    SalesFilter | None, strawberry.argument(description="What counts. Omit for everything.")
]
ZoneArgument = Annotated[
    str | None,
    strawberry.argument(
        description="IANA name of the zone in which days begin. Omit for that of the shop."
    ),
]
FirstGroupsArgument = Annotated[
    int,
    strawberry.argument(
        description="How many groups have their own rows, 1 to 1,000. The others are summed in one row for"
        " each period."
    ),
]


def dimensions(given: Sequence[SalesDimension]) -> list[pb.SalesDimension.ValueType]:
    return [pb.SalesDimension.Value(f"SALES_DIMENSION_{one.name}") for one in given]


def first_groups(given: int) -> int:
    """Return a number of groups; raise Failure INVALID for 0, which means the default to the services."""
    if not 1 <= given <= MAX_GROUPS:
        raise invalid({"first": f"must be an integer from 1 to {MAX_GROUPS}, not {given}"})
    return given


def interval_number(interval: Interval) -> days_pb2.Interval.ValueType:
    return days_pb2.Interval.Value(f"INTERVAL_{interval.name}")
