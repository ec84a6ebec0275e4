"""Operations of `esimgo reports`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date

from cli.config.access import Access
from cli.operators import output
from cli.operators.sales.month import Month, Reader
from cli.operators.service import Service, connect
from protos.orders.v1 import reports_pb2 as pb
from protos.orders.v1.reports_pb2_grpc import ReportsServiceStub

# Seconds. Years of sales are counted again in minutes.
TIMEOUT = 3600.0


@dataclass(frozen=True, slots=True)
class Reports:
    """Reports for the finance staff. Each method raises CommandError."""

    service: Service
    as_json: bool = False

    async def month(self, first: date, currency: str = "", time_zone: str = "") -> Month:
        """Return the sales of the month that begins on this day."""
        return await Reader(self.service, first, currency, time_zone).read()

    async def rebuild(self, first: str, *, check: bool) -> tuple[list[str], int]:
        """Count sales again from a day on; return lines and the number of differences."""
        found: list[pb.SalesDifference] = []
        summary = pb.RebuildSalesSummary()
        request = pb.RebuildSalesRequest(from_day=first, check=check)
        async for answer in self.service.stream("RebuildSales", request):
            if answer.WhichOneof("result") == "difference":
                found.append(answer.difference)
            else:
                summary = answer.summary
        if self.as_json:
            document = {"differences": list(found), "summary": summary}
            return output.document(document), summary.differences
        lines = [f"{d.code} {d.subject}: {d.message}" for d in found]
        number = summary.differences
        what = "no difference" if not number else f"{number} difference{'s' if number > 1 else ''}"
        lines.append(
            f"{what} in {summary.facts} facts of {summary.ledger_transactions} ledger transactions on"
            f" {summary.days} days"
        )
        if summary.recorded:
            lines.append(f"{summary.recorded} facts were recorded")
        if number and not check:
            lines.append(
                "the sums of these days were made again; run it with --check to see what is left"
            )
        return lines, number


@asynccontextmanager
async def open_reports(
    access: Access, token: str | None, *, as_json: bool
) -> AsyncIterator[Reports]:
    """Connect with the token of the finance staff, or else with the service role key."""
    async with connect(
        access, "orders", ReportsServiceStub, token=token, timeout=TIMEOUT
    ) as service:
        yield Reports(service, as_json)
