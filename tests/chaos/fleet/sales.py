"""The count of sales after a run: reports say what the ledger says."""

from collections.abc import Sequence

import grpc

from protos.orders.v1 import reports_pb2, reports_pb2_grpc
from tests.chaos.purchase.audit import Finding


async def recounted(channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]]) -> Finding:
    """Count all sales again from the ledger; each difference breaks the rule."""
    stub = reports_pb2_grpc.ReportsServiceStub(channel)
    found, facts = [], 0
    request = reports_pb2.RebuildSalesRequest(check=True)
    async for answer in stub.RebuildSales(request, metadata=tuple(metadata)):
        if answer.HasField("difference"):
            one = answer.difference
            found.append(f"{one.code} {one.subject}: {one.message}")
        else:
            facts = answer.summary.facts
    return Finding("sales facts and their sums say what the ledger says", facts, found)
