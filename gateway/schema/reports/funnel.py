"""How far orders get, for the finance staff."""

from datetime import datetime

import strawberry

from gateway.execution.auth import finance_field
from gateway.execution.columns import computed, optional_time, text, timestamp
from gateway.execution.views import View, listed, read
from gateway.schema.reports.arguments import RangeArgument, SalesFilterArgument, ZoneArgument
from gateway.schema.reports.types import SalesFilter
from gateway.upstream.context import Info
from protos.orders.v1 import reports_pb2 as pb


@strawberry.type(
    description="Orders that reached a step, including those that were cancelled or refunded later."
)
class FunnelStep(View):
    orders: int = read("orders", description="Number of orders.")
    esims: int = read(
        "esims",
        description="eSIMs and top-ups in these orders. In `installed` and `used`, only the eSIMs that were"
        " installed or used themselves.",
    )
    top_ups: int = read(
        "top_ups",
        description="How many of these are top-ups of an eSIM that the customer had before. Top-ups are not"
        " counted in `installed` and `used`.",
    )
    proto: strawberry.Private[pb.FunnelStep]


@strawberry.type(description="How many orders failed for one reason.")
class FunnelFailure(View):
    reason: str | None = read(
        text("reason"),
        description="Reason, such as PAYMENT_EXPIRED; null for orders of an older release.",
    )
    orders: int = read("orders", description="Number of orders.")
    proto: strawberry.Private[pb.FunnelFailure]


@strawberry.type(description="Seconds within which a share of the orders was delivered.")
class DeliveryTimes(View):
    p50: float = read("p50", description="Half of the orders.")
    p95: float = read("p95", description="95 % of the orders.")
    p99: float = read("p99", description="99 % of the orders.")
    proto: strawberry.Private[pb.Durations]


@strawberry.type(
    description="Progress of the orders that were started in a range of days. The orders of each of the first"
    " six steps are also in the step before it; started = delivered + failed + inProgress."
)
class OrderFunnel(View):
    proto: strawberry.Private[pb.GetFunnelResponse]

    started: FunnelStep = read(
        computed(lambda row: FunnelStep.of(row.started)), description="All orders of the range."
    )
    authorized: FunnelStep = read(
        computed(lambda row: FunnelStep.of(row.authorized)),
        description="Orders whose payment was authorized, and those that are not paid here.",
    )
    bought: FunnelStep = read(
        computed(lambda row: FunnelStep.of(row.bought)),
        description="Orders that eSIM Go has accepted.",
    )
    delivered: FunnelStep = read(
        computed(lambda row: FunnelStep.of(row.delivered)),
        description="Orders whose eSIMs the customer has.",
    )
    installed: FunnelStep = read(
        computed(lambda row: FunnelStep.of(row.installed)),
        description="Orders with an eSIM that was installed on a device.",
    )
    used: FunnelStep = read(
        computed(lambda row: FunnelStep.of(row.used)),
        description="Orders with an eSIM that was used.",
    )
    failed: FunnelStep = read(
        computed(lambda row: FunnelStep.of(row.failed)),
        description="Orders that failed, such as those that were never paid.",
    )
    in_progress: FunnelStep = read(
        computed(lambda row: FunnelStep.of(row.in_progress)),
        description="Orders that may still be delivered.",
    )
    failures: list[FunnelFailure] = listed(
        "failures",
        FunnelFailure,
        description="The failed orders by reason, most frequent first.",
    )
    time_to_delivery: DeliveryTimes | None = read(
        computed(
            lambda row: (
                DeliveryTimes.of(row.time_to_delivery) if row.HasField("time_to_delivery") else None
            )
        ),
        description="From the authorization of the payment, or from the start of an order that is not paid"
        " here, to the delivery; null without deliveries.",
    )
    time_zone: str = read("time_zone", description="IANA name of the zone in which days begin.")
    as_of: datetime = read(timestamp("as_of"), description="When the report was made.")
    progress_as_of: datetime | None = read(
        optional_time("progress_as_of"),
        description="Up to when `installed` and `used` are known. If null, not all eSIMs have been counted"
        " yet, so both may be too low.",
    )


@strawberry.type
class OrderFunnelQueries:
    """Mixed into Query."""

    @finance_field(
        description="Progress of the orders that were started in a range of days, from the order to the first"
        " use of its eSIMs, and how long deliveries took. Fails with RANGE_TOO_LONG for more than 400 days."
    )
    async def order_funnel(
        self,
        info: Info,
        range: RangeArgument,
        time_zone: ZoneArgument = None,
        filter: SalesFilterArgument = None,
    ) -> OrderFunnel | None:
        request = pb.GetFunnelRequest(
            range=range.to_proto(),
            time_zone=time_zone or "",
            filter=(filter or SalesFilter()).to_proto(),
        )
        answer = await info.context.call(info.context.peers.reports.GetFunnel, request)
        return OrderFunnel.of(answer)
