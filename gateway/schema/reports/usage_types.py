"""What reports of usage share: what they are grouped by, filters and figures."""

from datetime import datetime
from enum import Enum

import strawberry

from gateway.execution.columns import computed, enum, optional, timestamp
from gateway.execution.views import View, listed, read
from gateway.schema.reports.types import ReportPeriod
from protos.esims.v1 import reports_pb2 as pb

BYTES_PER_MB = 10**6


@strawberry.enum(description="What a usage report is grouped by.")
class UsageDimension(Enum):
    COUNTRY = strawberry.enum_value(
        "COUNTRY",
        description="ISO code of the country that the eSIM visited; empty if it is not known.",
    )
    PLAN = strawberry.enum_value("PLAN", description="Plan id, with the bundle name as its label.")
    ORGANIZATION = strawberry.enum_value(
        "ORGANIZATION", description="Organization id; empty for customers."
    )


@strawberry.input(
    description="Filter for reports of usage. Usage counts if it matches every field that is set. It matches"
    " a list if its value is in the list."
)
class UsageFilter:
    countries: list[str] = strawberry.field(
        default_factory=list, description="Visited countries, by ISO code or English name."
    )
    plans: list[str] = strawberry.field(
        default_factory=list, description="Plan ids or bundle names."
    )
    organization_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description="Organizations. Must be empty in `organizationUsage`.",
    )

    def to_proto(self) -> pb.UsageFilter:
        return pb.UsageFilter(
            countries=self.countries, plans=self.plans, organization_ids=self.organization_ids
        )


@strawberry.type(description="A value of a dimension that a usage report is grouped by.")
class UsageGroup(View):
    dimension: UsageDimension = read(
        enum("dimension", UsageDimension, pb.UsageDimension, "USAGE_DIMENSION_"),
        description="The dimension.",
    )
    value: str = read("value", description="The value; empty if there is none.")
    label: str = read("label", description="Name for people; the value if there is no other.")
    proto: strawberry.Private[pb.UsageGroup]


@strawberry.type(description="How much was used, and how exactly that is known.")
class UsageFigures(View):
    data_used: float = read(
        computed(lambda row: row.bytes / BYTES_PER_MB),
        description="Data used, in MB, base 10, on the day on which the provider reported it. Unlimited"
        " bundles are not measured.",
    )
    bytes_used: str = read(
        computed(lambda row: str(row.bytes)), description="The same in bytes, exactly."
    )
    coverage: float | None = read(
        optional("coverage_percent"),
        description="Percentage of this data whose time of use is known to within six hours; null without"
        " data.",
    )
    samples: int = read(
        "samples",
        description="Number of reports that showed a higher data use than the report before.",
    )
    widest_gap_seconds: float = read(
        computed(lambda row: float(row.widest_gap_seconds)),
        description="Longest time between two reports of the same bundle with data used between them; 0 if"
        " there were none.",
    )
    bundles_started: int = read(
        "bundles_started",
        description="Bundles that began to be used, including unlimited ones. Their country is not known.",
    )
    unlimited_started: int = read(
        "unlimited_started",
        description="Of these, the unlimited bundles, whose data is not measured.",
    )
    visits: int = read(
        "visits",
        description="Stays of eSIMs in a country that began. After three days without a sign of an eSIM a"
        " new stay begins.",
    )
    proto: strawberry.Private[pb.UsageFigures]


@strawberry.type(description="The usage of one group in one period.")
class UsageRow(View):
    proto: strawberry.Private[pb.UsageReportRow]
    groups: list[UsageGroup] = listed(
        "groups",
        UsageGroup,
        description="The values, in the order of `groupBy`; empty for the row of all other groups.",
    )
    other: bool = read(
        "other", description="True for the sum of all groups that are not among the first."
    )

    period: ReportPeriod = read(
        computed(lambda row: ReportPeriod.of(row.period)), description="The days of the period."
    )

    figures: UsageFigures = read(
        computed(lambda row: UsageFigures.of(row.figures)), description="The figures."
    )


@strawberry.type(description="A report of usage. Its rows add up to its totals.")
class UsageReport(View):
    proto: strawberry.Private[pb.UsageReport]
    rows: list[UsageRow] = listed(
        "rows",
        UsageRow,
        description="By period, then the groups with the most data. Without `groupBy`, every period has a"
        " row.",
    )
    time_zone: str = read("time_zone", description="IANA name of the zone in which days begin.")
    as_of: datetime = read(
        timestamp("as_of"),
        description="The report counts everything that was reported before this time.",
    )
    recorded_since: datetime = read(
        timestamp("recorded_since"),
        description="When the recording of usage began; earlier data and visits are missing.",
    )
    truncated: bool = read(
        "truncated", description="True if some groups are summed in `other` rows."
    )

    totals: UsageFigures = read(
        computed(lambda row: UsageFigures.of(row.totals)), description="The sums of the rows."
    )
