"""Reads reports of usage over gRPC."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from protos.common.v1 import days_pb2
from protos.esims.v1 import reports_pb2 as pb
from tests.component.esims.running import Service
from tests.fixtures.patience import PATIENCE

# When the tests began: midnight may pass between what a test does and its report.
TODAY = datetime.now(UTC).date()


def days(first: str = "", last: str = "") -> days_pb2.DayRange:
    """Return a range; by default of the day when the tests began, and of the next."""
    return days_pb2.DayRange(
        from_day=first or TODAY.isoformat(),
        to_day=last or (TODAY + timedelta(days=1)).isoformat(),
    )


async def usage(service: Service, token: str, **fields: Any) -> pb.UsageReport:
    fields.setdefault("range", days())
    fields.setdefault("interval", days_pb2.INTERVAL_RANGE)
    answer: pb.GetUsageResponse = await service.ask(
        service.reports.GetUsage, pb.GetUsageRequest(**fields), token
    )
    return answer.report


async def summed(service: Service, token: str, used: int) -> pb.UsageReport:
    """Return the report when that many bytes are summed."""
    async with asyncio.timeout(PATIENCE):
        while (report := await usage(service, token)).totals.bytes != used:
            await asyncio.sleep(0.05)
    return report
