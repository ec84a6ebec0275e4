"""The gRPC methods of the reports service."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

from kit.auth.sessions import Role
from kit.db.database import Database
from kit.rpc.call import Context
from protos.orders.v1 import reports_pb2 as pb
from protos.orders.v1 import reports_pb2_grpc
from services.orders.organizations import callers
from services.orders.organizations.membership import ACCOUNTING
from services.orders.reports import (
    lifecycle_messages,
    lifecycle_requests,
    messages,
    names_store,
    requests,
)
from services.orders.reports.difference import Counts
from services.orders.reports.lifecycle import Lifecycle
from services.orders.reports.rebuild import Rebuild
from services.orders.reports.report import Dimension
from services.orders.reports.sales import Sales


class ReportsServicer(reports_pb2_grpc.ReportsServiceServicer):
    """Reports sales to the shop, and to organizations what they spent."""

    def __init__(
        self, database: Database, sales: Sales, lifecycle: Lifecycle, rebuild: Rebuild
    ) -> None:
        self._database = database
        self._sales = sales
        self._lifecycle = lifecycle
        self._rebuild = rebuild

    async def GetSales(self, request: pb.GetSalesRequest, context: Context) -> pb.GetSalesResponse:
        wanted = requests.sales(request)
        report = await self._sales.report(wanted)
        names: dict[str, str] = {}
        if Dimension.ORGANIZATION in wanted.group_by:
            ids = {
                UUID(group.value)
                for row in report.rows
                for group in row.groups
                if group.dimension is Dimension.ORGANIZATION and group.value
            }
            async with self._database.system() as connection:
                names = await names_store.organizations(connection, ids)
        return messages.sales_to_proto(report, names)

    async def GetSpending(
        self, request: pb.GetSpendingRequest, context: Context
    ) -> pb.GetSpendingResponse:
        organization_id, wanted = requests.spending(request)
        async with self._database.system() as connection:
            await callers.authorize(connection, organization_id, ACCOUNTING, staff=Role.FINANCE)
            home = await names_store.home(connection, organization_id)
        report = await self._sales.report(
            replace(
                wanted,
                currency=home.currency,
                time_zone=wanted.time_zone or home.time_zone,
                filter=replace(wanted.filter, organization_ids=(organization_id,)),
            )
        )
        return messages.spending_to_proto(report, home.currency)

    async def GetFunnel(
        self, request: pb.GetFunnelRequest, context: Context
    ) -> pb.GetFunnelResponse:
        funnel = await self._lifecycle.funnel(lifecycle_requests.funnel(request))
        return lifecycle_messages.funnel_to_proto(funnel)

    async def GetCohorts(
        self, request: pb.GetCohortsRequest, context: Context
    ) -> pb.GetCohortsResponse:
        report = await self._lifecycle.cohorts(lifecycle_requests.cohorts(request))
        return lifecycle_messages.cohorts_to_proto(report)

    async def RebuildSales(
        self, request: pb.RebuildSalesRequest, context: Context
    ) -> AsyncIterator[pb.RebuildSalesResponse]:
        first = requests.rebuild(request)
        counts = Counts()
        async for difference in self._rebuild.run(first, counts, check=request.check):
            yield pb.RebuildSalesResponse(difference=messages.difference_to_proto(difference))
        yield pb.RebuildSalesResponse(summary=messages.summary_to_proto(counts))
