"""What all reports share: ranges of days, periods, and what they are grouped by."""

from enum import Enum

import strawberry

from gateway.execution.columns import enum
from gateway.execution.views import View, read
from protos.common.v1 import days_pb2
from protos.orders.v1 import reports_pb2 as pb


@strawberry.enum(
    description="Length of the periods of a report. The first and the last one are cut to the range."
)
class Interval(Enum):
    DAY = strawberry.enum_value("DAY", description="A day.")
    WEEK = strawberry.enum_value("WEEK", description="A week, from Monday.")
    MONTH = strawberry.enum_value("MONTH", description="A calendar month.")
    QUARTER = strawberry.enum_value(
        "QUARTER", description="A quarter, from January, April, July or October."
    )
    YEAR = strawberry.enum_value("YEAR", description="A calendar year.")
    RANGE = strawberry.enum_value("RANGE", description="One period: the whole range.")


@strawberry.enum(
    description="What a sales report is grouped by. The values are those of the plan as it was sold."
)
class SalesDimension(Enum):
    AREA = strawberry.enum_value(
        "AREA",
        description="ISO code of the country of a plan of one country, else the main region of the plan;"
        " MULTIPLE if that is not known, and UNKNOWN for orders of an older release.",
    )
    COUNTRY = strawberry.enum_value(
        "COUNTRY", description="ISO code of the country; empty for plans of several countries."
    )
    REGION = strawberry.enum_value(
        "REGION", description="Main region of the plan, such as Europe; Global if it has none."
    )
    PLAN = strawberry.enum_value("PLAN", description="Plan id, with the bundle name as its label.")
    DURATION = strawberry.enum_value("DURATION", description="Duration in days.")
    CURRENCY = strawberry.enum_value("CURRENCY", description="What the customer pays in.")
    ORGANIZATION = strawberry.enum_value(
        "ORGANIZATION",
        description="Organization id, with its name as the label; empty for customers.",
    )
    COUPON = strawberry.enum_value("COUPON", description="Coupon code; empty without one.")
    SOURCE = strawberry.enum_value(
        "SOURCE", description="SHOP, API or BATCH; NONE for amounts that belong to no order."
    )


@strawberry.enum(description="How something was bought.")
class SalesSource(Enum):
    SHOP = strawberry.enum_value("SHOP", description="By a person.")
    API = strawberry.enum_value("API", description="With an API key.")
    BATCH = strawberry.enum_value("BATCH", description="By a batch.")
    NONE = strawberry.enum_value(
        "NONE", description="Amounts that belong to no order, such as the fees of top-ups."
    )


@strawberry.input(description="Days of a calendar, both included.")
class DateRange:
    from_: str = strawberry.field(name="from", description='First day, such as "2026-11-01".')
    to: str = strawberry.field(description='Last day, such as "2026-11-30".')

    def to_proto(self) -> days_pb2.DayRange:
        return days_pb2.DayRange(from_day=self.from_, to_day=self.to)


@strawberry.type(description="Days of a report, both included.")
class ReportPeriod(View):
    from_: str = read("from_day", name="from", description='First day, such as "2026-11-01".')
    to: str = read("to_day", description='Last day, such as "2026-11-30".')
    proto: strawberry.Private[days_pb2.DayRange]


@strawberry.type(description="A value of a dimension that a report is grouped by.")
class SalesGroup(View):
    dimension: SalesDimension = read(
        enum("dimension", SalesDimension, pb.SalesDimension, "SALES_DIMENSION_"),
        description="The dimension.",
    )
    value: str = read("value", description="The value; empty if there is none.")
    label: str = read("label", description="Name for people; the value if there is no other.")
    proto: strawberry.Private[pb.SalesGroup]


@strawberry.input(
    description="Filter for reports of sales. An amount counts if it matches every field that is set. It"
    " matches a list if its value is in the list."
)
class SalesFilter:
    countries: list[str] = strawberry.field(
        default_factory=list,
        description="Plans for exactly one country, which is one of these, by ISO code or English name. An"
        " empty text: plans for several.",
    )
    areas: list[str] = strawberry.field(
        default_factory=list, description="Areas, as the dimension AREA has them."
    )
    regions: list[str] = strawberry.field(
        default_factory=list, description="Main regions of plans, such as Europe."
    )
    plans: list[str] = strawberry.field(
        default_factory=list, description="Plan ids or bundle names."
    )
    durations: list[int] = strawberry.field(default_factory=list, description="Durations in days.")
    currencies: list[str] = strawberry.field(
        default_factory=list, description="What customers pay in, as ISO 4217 codes."
    )
    organization_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Organizations."
    )
    coupon_codes: list[str] = strawberry.field(default_factory=list, description="Coupon codes.")
    sources: list[SalesSource] = strawberry.field(
        default_factory=list, description="How it was bought."
    )
    unlimited: bool | None = strawberry.field(
        default=None,
        description="True: only plans with unlimited data; false: only plans with limited data.",
    )

    def to_proto(self) -> pb.SalesFilter:
        return pb.SalesFilter(
            countries=self.countries,
            areas=self.areas,
            regions=self.regions,
            plans=self.plans,
            durations=self.durations,
            currencies=self.currencies,
            organization_ids=self.organization_ids,
            coupon_codes=self.coupon_codes,
            sources=[pb.SalesSource.Value(f"SALES_SOURCE_{one.name}") for one in self.sources],
            unlimited=self.unlimited,
        )
