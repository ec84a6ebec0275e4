"""Compares the sales reports with the ledger after a run."""

from collections.abc import Sequence

import grpc

from protos.orders.v1 import reports_pb2, reports_pb2_grpc
from tests.chaos.purchase.audit import Finding


async def check_sales(channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]]) -> Finding:
    """Recompute all sales facts from the ledger; each difference is a violation."""
    stub = reports_pb2_grpc.ReportsServiceStub(channel)
    differences, facts = [], 0
    request = reports_pb2.RebuildSalesRequest(check=True)
    async for answer in stub.RebuildSales(request, metadata=tuple(metadata)):
        if answer.HasField("difference"):
            one = answer.difference
            differences.append(f"{one.code} {one.subject}: {one.message}")
        else:
            facts = answer.summary.facts
    return Finding("sales facts and their sums agree with the ledger", facts, differences)
