"""Operations of `esimgo reports` on the esims service."""

from cli.config.access import Access
from cli.operators import output
from cli.operators.service import connect
from protos.esims.v1 import reports_pb2 as pb
from protos.esims.v1.reports_pb2_grpc import ReportsServiceStub

# Seconds. The samples of months are summed again in a minute.
TIMEOUT = 3600.0


async def rebuild(
    access: Access, token: str | None, *, check: bool, as_json: bool
) -> tuple[list[str], int]:
    """Sum usage by day again; return lines and the number of differences. Raises CommandError."""
    found: list[pb.UsageDifference] = []
    summary = pb.RebuildUsageSummary()
    async with connect(
        access, "esims", ReportsServiceStub, token=token, timeout=TIMEOUT
    ) as service:
        async for answer in service.stream("RebuildUsage", pb.RebuildUsageRequest(check=check)):
            if answer.WhichOneof("result") == "difference":
                found.append(answer.difference)
            else:
                summary = answer.summary
    number = summary.differences
    if as_json:
        return output.document({"differences": found, "summary": summary}), number
    what = "no difference" if not number else f"{number} difference{'s' if number > 1 else ''}"
    lines = [*(one.message for one in found), f"{what} in the sums of {summary.days} days"]
    if number and not check:
        lines.append("these sums were corrected; run it with --check to see what is left")
    return lines, number
