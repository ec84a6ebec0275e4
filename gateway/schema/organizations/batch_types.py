"""Types of batches, and of what belongs to them."""

from datetime import datetime
from typing import Annotated, Any, Self

import strawberry

from gateway.errors import translated
from gateway.execution.columns import (
    computed,
    enum,
    exact_amount,
    optional_time,
    strings,
    text,
    timestamp,
)
from gateway.execution.views import View, loaded, read, views
from gateway.schema import results
from gateway.schema.orders.orders import Order
from gateway.schema.organizations.batch_statuses import (
    BatchErrorPolicy,
    BatchItemStatus,
    BatchStatus,
)
from gateway.schema.prices.price_lists import NEXT
from gateway.upstream.context import Info
from kit.errors import invalid
from protos.orders.v1 import batches_pb2 as pb

MAX_ITEMS = 1_000
DEFAULT_ITEMS = 100


@strawberry.type(description="Who travels with the eSIMs of a row.")
class BatchTraveler(View):
    name: str | None = read(text("name"), description="Name, in any script; null if not known.")
    email: str | None = read(text("email"), description="E-mail address; null if not known.")
    user_id: strawberry.ID | None = read(
        text("user_id"), description="Id of their account; null if not known."
    )
    proto: strawberry.Private[pb.BatchTraveler]


@strawberry.type(description="Numbers of rows by status, counted whenever the batch is read.")
class BatchCounts(View):
    items: int = read("items", description="All rows.")
    pending: int = read("pending", description="Rows that are not ordered yet.")
    processing: int = read("processing", description="Rows whose orders are being processed.")
    delivered: int = read("delivered", description="Rows whose eSIMs were delivered.")
    failed: int = read("failed", description="Rows for which nothing was bought.")
    cancelled: int = read("cancelled", description="Rows that were cancelled.")
    esims: int = read("esims", description="eSIMs of all rows.")
    esims_delivered: int = read("esims_delivered", description="eSIMs that were delivered.")
    proto: strawberry.Private[pb.BatchCounts]


@strawberry.type(
    description="Paths of downloads at this server, for the same session. They contain activation codes."
)
class BatchDownloads:
    csv: str = strawberry.field(description="Sheet with a line for each eSIM.")
    zip: str = strawberry.field(description="QR codes as pictures, with the sheet.")
    pdf: str = strawberry.field(description="PDF with an installation page for each eSIM.")


@strawberry.type(description="A row of a batch.")
class BatchItem(View):
    position: int = read("position", description="1 for the first row.")
    plan_id: strawberry.ID | None = read(
        text("plan_id"), description="The plan; null if the id was malformed."
    )
    plan_title: str | None = read(
        text("plan_title"), description="Title of the plan; null if the plan was not found."
    )
    quantity: int = read("quantity", description="Number of eSIMs.")
    esim_id: strawberry.ID | None = read(
        text("esim_id"),
        description="Existing eSIM to which the plan is added; null for new eSIMs.",
    )
    traveler: BatchTraveler | None = read(
        computed(lambda row: BatchTraveler.of(row.traveler) if row.HasField("traveler") else None),
        description="Who travels with the eSIMs; null if the row names no one.",
    )
    reference: str | None = read(
        text("reference"), description="Free-text reference of the row; null if it has none."
    )
    status: BatchItemStatus = read(
        enum("status", BatchItemStatus, pb.BatchItemStatus, "BATCH_ITEM_STATUS_"),
        description="Status of the row.",
    )
    order: Order | None = loaded(
        "orders",
        "order_id",
        Order | None,
        description="The order that bought it, or tries to; null if there is none, or if temporarily"
        " unavailable.",
    )
    order_id: strawberry.ID | None = read(
        text("order_id"), description="Id of that order; null if there is none yet."
    )
    iccids: list[str] = read(strings("iccids"), description="eSIMs that were delivered for it.")
    code: str | None = read(
        text("code"), description="Machine-readable reason of a failure; null otherwise."
    )
    error: str | None = read(
        computed(lambda row: translated(row.error) or None),
        description="Human-readable reason of a failure; null otherwise.",
    )
    attempts: int = read("attempts", description="Number of orders that were planned for it.")
    total_price: str | None = read(
        exact_amount("total_price", optional=True),
        description="What the row costs, with tax, as a decimal string; null if its plan was not found.",
    )
    proto: strawberry.Private[pb.BatchItem]


@strawberry.type(description="A page of rows.")
class BatchItemPage:
    nodes: list[BatchItem] = strawberry.field(description="The rows of this page, by position.")
    next_cursor: str | None = strawberry.field(description=NEXT)


ItemsArgument = Annotated[
    int, strawberry.argument(description=f"Maximum number of rows to return, 1 to {MAX_ITEMS:,}.")
]
ItemsAfterArgument = Annotated[
    str | None, strawberry.argument(description="`nextCursor` of the page before.")
]
ItemStatusArgument = Annotated[
    BatchItemStatus | None,
    strawberry.argument(description="Only rows with this status. Omit for all."),
]


async def _items(
    self: "Batch",
    info: Info,
    first: ItemsArgument = DEFAULT_ITEMS,
    after: ItemsAfterArgument = None,
    status: ItemStatusArgument = None,
) -> BatchItemPage | None:
    if not 1 <= first <= MAX_ITEMS:
        raise invalid({"first": f"must be an integer from 1 to {MAX_ITEMS}, not {first}"})
    if after is not None and not (after.isascii() and after.isdigit() and len(after) <= 4):
        raise invalid({"after": "must be a cursor returned by this field"}, "INVALID_CURSOR")
    request = pb.ListBatchItemsRequest(
        batch_id=self.proto.id,
        statuses=[]
        if status is None
        else [pb.BatchItemStatus.Value(f"BATCH_ITEM_STATUS_{status.name}")],
        after_position=int(after or 0),
        page_size=first,
    )
    answer = await info.context.call(info.context.peers.batches.ListBatchItems, request)
    info.context.spend(len(answer.items))
    return BatchItemPage(
        nodes=views(BatchItem, answer.items),
        next_cursor=str(answer.next_position) if answer.next_position else None,
    )


def _downloads(row: Any) -> BatchDownloads:
    base = f"/batches/{row.id}/esims"
    return BatchDownloads(csv=f"{base}.csv", zip=f"{base}.zip", pdf=f"{base}.pdf")


@strawberry.type(
    description="Many eSIMs that are bought by ordinary orders of at most ten, one after the other. All"
    " amounts are in `currency`."
)
class Batch(View):
    id: strawberry.ID = read("id", description="A UUID.")
    organization_id: strawberry.ID | None = read(
        text("organization_id"), description="The organization that buys; null for oneself."
    )
    group_id: strawberry.ID | None = read(
        text("group_id"), description="The group that it is for; null if none."
    )
    name: str | None = read(text("name"), description="Name of the batch; null if it has none.")
    status: BatchStatus = read(
        enum("status", BatchStatus, pb.BatchStatus, "BATCH_STATUS_"),
        description="Status, computed from the rows.",
    )
    status_reason: str | None = read(
        text("status_reason"), description="Human-readable explanation of the status; often null."
    )
    error_policy: BatchErrorPolicy = read(
        enum("error_policy", BatchErrorPolicy, pb.BatchErrorPolicy, "BATCH_ERROR_POLICY_"),
        description="What a failure of one row means for the others.",
    )
    counts: BatchCounts = read(
        computed(lambda row: BatchCounts.of(row.counts)), description="Numbers of rows by status."
    )
    expected_total: str = read(
        exact_amount("expected_total"),
        description="What all rows cost when the batch was created or retried, with tax, as a decimal"
        " string.",
    )
    spent_total: str = read(
        exact_amount("spent_total"),
        description="What was paid for delivered rows, as a decimal string; refunds are not subtracted.",
    )
    max_total: str | None = read(
        exact_amount("max_total", optional=True),
        description="What the batch may cost at most, as a decimal string; null without a maximum.",
    )
    currency: str = read(
        "expected_total.currency_code", description="ISO 4217 code of the amounts."
    )
    not_before: datetime | None = read(
        optional_time("not_before"),
        description="When the first order may be placed; null: at once.",
    )
    estimated_end: datetime | None = read(
        optional_time("estimated_end"),
        description="Estimate of when the last order will be placed; null once it is finished.",
    )
    created_at: datetime = read(timestamp("created_at"), description="When it was created.")
    finished_at: datetime | None = read(
        optional_time("finished_at"),
        description="When the last row was settled; null while one is pending or in work.",
    )
    downloads: BatchDownloads = read(
        computed(_downloads), description="Paths of downloads of the delivered eSIMs."
    )
    items: BatchItemPage | None = strawberry.field(
        resolver=_items, description="Rows of the batch, by position."
    )
    proto: strawberry.Private[pb.Batch]


@strawberry.type(description="A page of batches.")
class BatchPage:
    nodes: list[Batch] = strawberry.field(description="The batches of this page, newest first.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.type(
    description="Result of `createBatch`, `cancelBatch` and `retryBatch`. It says that the batch was"
    " accepted, not that its rows were bought."
)
class BatchResult:
    success: bool = strawberry.field(
        description="True if the batch was accepted or changed, even while its rows are bought."
    )
    batch: Batch | None = strawberry.field(
        default=None, description="The batch; null if the request was refused."
    )
    error: str | None = results.error()
    code: str | None = results.code("BUDGET_EXCEEDED")

    @classmethod
    def of(cls, batch: pb.Batch) -> Self:
        return cls(success=True, batch=Batch.of(batch))
