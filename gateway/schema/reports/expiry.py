"""The report of bundles that end unused, for the staff and for members of organizations."""

from datetime import datetime

import strawberry

from gateway.execution.auth import auth_field, support_field
from gateway.execution.columns import computed, timestamp
from gateway.execution.views import View, listed, read
from gateway.schema.organizations.organization_inputs import OrganizationIdArgument
from gateway.schema.reports.arguments import RangeArgument, ZoneArgument
from gateway.schema.reports.types import ReportPeriod
from gateway.schema.reports.usage_types import BYTES_PER_MB
from gateway.upstream.context import Info
from protos.esims.v1 import reports_pb2 as pb


@strawberry.type(description="Bundles of which a similar share of the data was used.")
class UsedShare(View):
    from_percent: int = read(
        "from_percent",
        description="Lower end of the share in percent. A share spans ten percentage points, without the"
        " upper end; the last includes 100.",
    )
    bundles: int = read("bundles", description="Number of bundles.")
    proto: strawberry.Private[pb.UsedShare]


@strawberry.type(
    description="What became of bundles that ended in a range of days, and of eSIMs that were delivered in"
    " it."
)
class ExpiryReport(View):
    proto: strawberry.Private[pb.GetExpiryResponse]
    ended: int = read(
        "ended",
        description="Bundles that ended in the range: used up, out of time, or not started in time. Revoked"
        " ones do not count.",
    )
    ended_unused: int = read(
        "ended_unused",
        description="Of these, bundles that were not started, or whose data was not used.",
    )
    ended_unlimited: int = read(
        "ended_unlimited", description="Of the ended bundles, those with unlimited data."
    )
    ended_unknown: int = read(
        "ended_unknown",
        description="Of the ended bundles, those that include no data, or whose use of data is not known.",
    )
    shares: list[UsedShare] = listed(
        "shares",
        UsedShare,
        description="All other ended bundles, by the share of their data that was used: ten ranges of ten"
        " percentage points each, the lowest first.",
    )
    data_included: float = read(
        computed(lambda row: row.included_bytes / BYTES_PER_MB),
        description="Data that the bundles in `shares` included, in MB, base 10.",
    )
    data_used: float = read(
        computed(lambda row: row.used_bytes / BYTES_PER_MB),
        description="How much of `dataIncluded` was used, in MB, base 10.",
    )
    delivered: int = read(
        "delivered",
        description="eSIMs that were delivered in the range, without those of cancelled orders.",
    )
    never_installed: int = read(
        "never_installed",
        description="Of the delivered eSIMs, those that no device has installed and that have used nothing,"
        " so far.",
    )
    waiting: int = read(
        "waiting",
        description="Of the delivered eSIMs, those that are unused so far, but can still be used.",
    )
    at_risk: int = read(
        "at_risk",
        description="eSIMs that can still be used, but that the provider will delete for lack of use, as it"
        " has announced. Includes eSIMs that were delivered outside the range.",
    )
    time_zone: str = read("time_zone", description="IANA name of the zone in which days begin.")
    as_of: datetime = read(timestamp("as_of"), description="When the report was made.")

    range: ReportPeriod = read(
        computed(lambda row: ReportPeriod.of(row.range)), description="The days of the report."
    )


@strawberry.type
class ExpiryReportQueries:
    """Mixed into Query."""

    @support_field(
        description="How bundles that ended in a range of days were used, how many eSIMs that were delivered"
        " in it were never installed or used, and how many are about to be deleted."
    )
    async def expiry_report(
        self,
        info: Info,
        range: RangeArgument,
        time_zone: ZoneArgument = None,
    ) -> ExpiryReport | None:
        request = pb.GetExpiryRequest(range=range.to_proto(), time_zone=time_zone or "")
        answer = await info.context.call(info.context.peers.usage_reports.GetExpiry, request)
        return ExpiryReport.of(answer)

    @auth_field(
        description="What `expiryReport` shows, for the eSIMs of an organization, for its owners, managers"
        " and finance. Fails with NOT_FOUND for an organization of which the caller is no member, and with"
        " FORBIDDEN for members with another role."
    )
    async def organization_expiry(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        range: RangeArgument,
        time_zone: ZoneArgument = None,
    ) -> ExpiryReport | None:
        request = pb.GetOrganizationExpiryRequest(
            organization_id=organization_id, range=range.to_proto(), time_zone=time_zone or ""
        )
        peer = info.context.peers.usage_reports
        answer = await info.context.call(peer.GetOrganizationExpiry, request)
        return ExpiryReport.of(answer.report)
