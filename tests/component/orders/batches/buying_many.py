"""Batches in a shop, with helpers that create them and wait for their end."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from kit.values import timestamps
from protos.orders.v1 import batches_pb2 as pb
from protos.orders.v1 import batches_pb2_grpc, orders_pb2_grpc
from tests.component.orders.shop import Metadata, Shop
from tests.fixtures.organizations import Organization
from tests.fixtures.patience import until
from tests.fixtures.rpc.refusals import reason_of

FINISHED = (
    pb.BATCH_STATUS_COMPLETED,
    pb.BATCH_STATUS_PARTIAL,
    pb.BATCH_STATUS_FAILED,
    pb.BATCH_STATUS_CANCELLED,
)


@dataclass
class Bulk:
    """A running service, with the customer who buys."""

    shop: Shop
    channel: grpc.aio.Channel
    batches: "batches_pb2_grpc.BatchesServiceAsyncStub"
    orders: "orders_pb2_grpc.OrdersServiceAsyncStub"
    buyer: Metadata
    organization: Organization | None = None

    def plan(self, number: int = 0) -> str:
        """Return the id of one of the plans that are no top-ups."""
        return [i for i, b in self.shop.catalogue.bundles.items() if not b.autostart][number]

    def item(self, plan: int = 0, **fields: Any) -> pb.BatchItemInput:
        return pb.BatchItemInput(**({"plan_id": self.plan(plan)} | fields))

    def input(self, items: Sequence[pb.BatchItemInput], **fields: Any) -> pb.BatchInput:
        if self.organization is not None:
            fields = {"organization_id": self.organization.id} | fields
        return pb.BatchInput(items=items, **fields)

    async def create(
        self, items: Sequence[pb.BatchItemInput], key: str = "batch-1", **fields: Any
    ) -> pb.Batch:
        request = pb.CreateBatchRequest(batch=self.input(items, **fields), idempotency_key=key)
        return (await self.batches.CreateBatch(request, metadata=self.buyer)).batch

    async def schedule(
        self, items: Sequence[pb.BatchItemInput], key: str = "batch-1", **fields: Any
    ) -> pb.Batch:
        """Create a batch that does not begin before `begin`, however slow the machine is."""
        later = timestamps.to_proto(datetime.now(UTC) + timedelta(days=1))
        batch = await self.create(items, key, not_before=later, **fields)
        assert batch.status == pb.BATCH_STATUS_SCHEDULED
        return batch

    async def begin(self, batch: pb.Batch, seconds: float = 0.0) -> datetime:
        """Let a scheduled batch begin after that time; return when it begins."""
        begins: datetime = await self.shop.databases.admin.fetchval(
            "update orders.batches set not_before = now() + $2 * interval '1 second',"
            " next_run_at = now() + $2 * interval '1 second'"
            " where id = $1::text::uuid returning not_before",
            batch.id,
            seconds,
        )
        return begins

    async def validate(
        self, items: Sequence[pb.BatchItemInput], **fields: Any
    ) -> pb.ValidateBatchResponse:
        request = pb.ValidateBatchRequest(batch=self.input(items, **fields))
        return await self.batches.ValidateBatch(request, metadata=self.buyer)

    async def get(self, batch: pb.Batch) -> pb.Batch:
        found = await self.batches.GetBatch(
            pb.GetBatchRequest(batch_id=batch.id), metadata=self.buyer
        )
        return found.batch

    async def items(self, batch: pb.Batch, **fields: Any) -> list[pb.BatchItem]:
        request = pb.ListBatchItemsRequest(batch_id=batch.id, page_size=1000, **fields)
        return list((await self.batches.ListBatchItems(request, metadata=self.buyer)).items)

    async def finished(self, batch: pb.Batch) -> pb.Batch:
        """Wait for the end of a batch."""
        return await self.reaches(batch, *FINISHED)

    async def reaches(self, batch: pb.Batch, *statuses: int) -> pb.Batch:
        """Wait until a batch has one of these statuses."""
        found = batch

        async def has() -> bool:
            nonlocal found
            found = await self.get(batch)
            return found.status in statuses

        await until(has)
        return found

    async def retry(self, batch: pb.Batch) -> pb.Batch:
        request = pb.RetryBatchRequest(batch_id=batch.id)
        return (await self.batches.RetryBatch(request, metadata=self.buyer)).batch

    async def cancel(self, batch: pb.Batch) -> pb.Batch:
        request = pb.CancelBatchRequest(batch_id=batch.id)
        return (await self.batches.CancelBatch(request, metadata=self.buyer)).batch


@asynccontextmanager
async def bulk(shop: Shop, **settings: Any) -> AsyncIterator[Bulk]:
    """Run the service without a pause between orders of batches."""
    async with shop.channel(**({"batch_pause": 0.0} | settings)) as channel:
        yield await opened(shop, channel)


async def opened(
    shop: Shop, channel: grpc.aio.Channel, organization: Organization | None = None
) -> Bulk:
    return Bulk(
        shop,
        channel,
        batches_pb2_grpc.BatchesServiceStub(channel),
        orders_pb2_grpc.OrdersServiceStub(channel),
        organization.buyer.metadata if organization else await shop.session("ann@example.com"),
        organization,
    )


async def refusal(call: Any) -> str:
    """Return the reason for which a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return reason_of(error.value)
