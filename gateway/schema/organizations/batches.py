"""Queries, mutations and the subscription of batches."""

from collections.abc import AsyncGenerator, Iterator
from typing import Annotated

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field, auth_subscription
from gateway.execution.views import views
from gateway.schema import inputs, results
from gateway.schema.connections import OF_FIELD, page_of, page_size
from gateway.schema.organizations.batch_inputs import BatchArgument, BatchIdArgument
from gateway.schema.organizations.batch_types import (
    Batch,
    BatchPage,
    BatchResult,
)
from gateway.schema.organizations.batch_validation import BatchValidation
from gateway.upstream.context import Info
from protos.orders.v1 import batches_pb2 as pb

DEFAULT_SIZE, MAX_SIZE = 20, 100
FINISHED = frozenset(
    {
        pb.BATCH_STATUS_COMPLETED,
        pb.BATCH_STATUS_PARTIAL,
        pb.BATCH_STATUS_FAILED,
        pb.BATCH_STATUS_CANCELLED,
    }
)
FIELDS = {"batch": "input", "idempotency_key": "input.idempotencyKey"}
OwnerArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="Batches of this organization. Omit for those that the caller created for themself."
    ),
]
SizeArgument = Annotated[
    int, strawberry.argument(description=f"Maximum number of batches to return, 1 to {MAX_SIZE}.")
]
AfterArgument = Annotated[
    str | None, strawberry.argument(description="`nextCursor` of the page before.")
]


@strawberry.type
class BatchQueries:
    """Mixed into Query."""

    @auth_field(
        description="Checks every row of a batch and returns the total, what its budgets would have left, and"
        " how long it takes. Buys nothing and records nothing."
    )
    async def validate_batch(
        self,
        info: Info,
        input: BatchArgument,
    ) -> BatchValidation | None:
        request = pb.ValidateBatchRequest(batch=input.to_proto())
        with naming(**FIELDS):
            answer = await info.context.call(info.context.peers.batches.ValidateBatch, request)
        return BatchValidation.of(answer)

    @auth_field(
        description="One batch. Fails with NOT_FOUND if the id is unknown, or the caller may not see it:"
        " batches of an organization are for its owners and managers, and the buyer who created them."
    )
    async def batch(self, info: Info, id: BatchIdArgument) -> Batch | None:
        with naming(batch_id="id"):
            answer = await info.context.call(
                info.context.peers.batches.GetBatch, pb.GetBatchRequest(batch_id=id)
            )
        return Batch.of(answer.batch)

    @auth_field(description="Batches, the newest first.")
    async def batches(
        self,
        info: Info,
        organization_id: OwnerArgument = None,
        first: SizeArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
    ) -> BatchPage | None:
        request = pb.ListBatchesRequest(
            organization_id=inputs.optional_id(
                "organizationId", organization_id, "for your own batches"
            ),
            page_size=page_size(first, MAX_SIZE),
            page_token=after or "",
        )
        with naming(organization_id="organizationId"):
            page = await page_of(
                info.context.call(info.context.peers.batches.ListBatches, request), OF_FIELD
            )
        info.context.spend(len(page.batches))
        return BatchPage(nodes=views(Batch, page.batches), next_cursor=page.next_page_token or None)


@strawberry.type
class BatchMutations:
    """Mixed into Mutation."""

    @auth_field(
        description="Creates a batch and reserves its budgets; a background job buys it by ordinary orders of"
        " at most ten eSIMs, some seconds apart and after all single purchases. The answer comes at once:"
        " follow the batch with `batchUpdated`. Refused with BATCH_INVALID, MAX_TOTAL_EXCEEDED,"
        " BUDGET_EXCEEDED or BATCH_NOT_PAYABLE; then nothing was recorded."
    )
    @results.refusable(BatchResult)
    async def create_batch(
        self,
        info: Info,
        input: BatchArgument,
    ) -> BatchResult | None:
        request = pb.CreateBatchRequest(batch=input.to_proto(), idempotency_key=input.key())
        with naming(**FIELDS):
            answer = await info.context.change(info.context.peers.batches.CreateBatch, request)
        return BatchResult.of(answer.batch)

    @auth_field(
        description="Stops a batch: no further order is placed, and what was reserved for it is given back."
        " Orders that the provider may have received are finished. Safe to repeat."
    )
    @results.refusable(BatchResult)
    async def cancel_batch(self, info: Info, id: BatchIdArgument) -> BatchResult | None:
        request = pb.CancelBatchRequest(batch_id=id)
        with naming(batch_id="id"):
            answer = await info.context.change(info.context.peers.batches.CancelBatch, request)
        return BatchResult.of(answer.batch)

    @auth_field(
        description="Buys the failed and the cancelled rows of a finished batch once more, at current prices;"
        " delivered rows are never bought again. Refused with BATCH_RUNNING or NOTHING_TO_RETRY,"
        " and with BATCH_CHANGED if another retry came first."
    )
    @results.refusable(BatchResult)
    async def retry_batch(self, info: Info, id: BatchIdArgument) -> BatchResult | None:
        request = pb.RetryBatchRequest(batch_id=id)
        with naming(batch_id="id"):
            answer = await info.context.change(info.context.peers.batches.RetryBatch, request)
        return BatchResult.of(answer.batch)


@strawberry.type
class BatchSubscription:
    """Mixed into Subscription."""

    @auth_subscription(
        description="One batch, until it is finished: the last event has its final counts. Fails with"
        " NOT_FOUND if the id is unknown, or the caller may not see it."
    )
    async def batch_updated(
        self, info: Info, batch_id: BatchIdArgument
    ) -> AsyncGenerator[Batch, None]:
        request = pb.WatchBatchRequest(batch_id=batch_id)
        method = info.context.peers.batches.WatchBatch
        async for batches in info.context.watch(method, request, _batches):
            for batch in batches:
                yield Batch.of(batch)
                if batch.status in FINISHED:
                    return


def _batches(message: pb.WatchBatchResponse) -> Iterator[tuple[str, pb.Batch]]:
    yield message.batch.id, message.batch
