"""The gRPC methods of the reports service."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

from kit.auth.sessions import SUFFICIENT, Role
from kit.db.database import Database
from kit.rpc import guard
from kit.rpc.call import Context
from protos.esims.v1 import reports_pb2 as pb
from protos.esims.v1 import reports_pb2_grpc
from services.esims.reports import messages, requests
from services.esims.reports.usage import Usage
from services.esims.travelers import membership_store
from services.esims.travelers.membership_store import MemberRole
from services.esims.usage.check import Counts, UsageCheck

# Roles that see the figures of their organization, as in the orders service.
ACCOUNTING = frozenset({MemberRole.OWNER, MemberRole.MANAGER, MemberRole.FINANCE})


class ReportsServicer(reports_pb2_grpc.ReportsServiceServicer):
    """Reports usage to the shop, and to organizations that of their own eSIMs."""

    def __init__(self, database: Database, usage: Usage, check: UsageCheck) -> None:
        self._database = database
        self._usage = usage
        self._check = check

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        report = await self._usage.report(requests.usage(request))
        return pb.GetUsageResponse(report=messages.usage_to_proto(report))

    async def GetOrganizationUsage(
        self, request: pb.GetOrganizationUsageRequest, context: Context
    ) -> pb.GetOrganizationUsageResponse:
        organization_id, wanted = requests.organization_usage(request)
        await self._require_accounting(organization_id)
        filter_ = replace(wanted.filter, organization_ids=(organization_id,))
        report = await self._usage.report(replace(wanted, filter=filter_))
        return pb.GetOrganizationUsageResponse(report=messages.usage_to_proto(report))

    async def GetExpiry(
        self, request: pb.GetExpiryRequest, context: Context
    ) -> pb.GetExpiryResponse:
        days, zone = requests.expiry(request)
        return messages.expiry_to_proto(await self._usage.expiry(days, zone))

    async def GetOrganizationExpiry(
        self, request: pb.GetOrganizationExpiryRequest, context: Context
    ) -> pb.GetOrganizationExpiryResponse:
        organization_id, days, zone = requests.organization_expiry(request)
        await self._require_accounting(organization_id)
        found = await self._usage.expiry(days, zone, organization_id)
        return pb.GetOrganizationExpiryResponse(report=messages.expiry_to_proto(found))

    async def _require_accounting(self, organization_id: UUID) -> None:
        """Raise Failure unless the caller is staff, or a member who sees the organization's figures."""
        caller = guard.session()
        if caller.role in SUFFICIENT[Role.SUPPORT]:
            return
        if caller.user_id is None:
            raise membership_store.not_found()
        async with self._database.system() as connection:
            await membership_store.require(connection, organization_id, caller.user_id, ACCOUNTING)

    async def RebuildUsage(
        self, request: pb.RebuildUsageRequest, context: Context
    ) -> AsyncIterator[pb.RebuildUsageResponse]:
        counts = Counts()
        async for difference in self._check.run(counts, check=request.check):
            yield pb.RebuildUsageResponse(difference=messages.difference_to_proto(difference))
        yield pb.RebuildUsageResponse(
            summary=pb.RebuildUsageSummary(days=counts.days, differences=counts.differences)
        )
