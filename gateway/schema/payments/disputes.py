"""Disputes of payments, and the evidence against them, for the finance staff."""

from datetime import datetime
from typing import Annotated

import strawberry

from gateway.execution.auth import finance_field
from gateway.execution.columns import exact_amount, float_amount, optional_time, text, timestamp
from gateway.execution.views import View, listed, read, views
from gateway.schema.connections import (
    DEFAULT_SIZE,
    AfterArgument,
    FirstArgument,
    page_of,
    page_size,
)
from gateway.schema.orders.orders import OrderIdArgument
from gateway.schema.prices.price_lists import NEXT
from gateway.upstream.context import Info
from protos.orders.v1 import payments_pb2


@strawberry.type(description="A payment that the cardholder contests at their bank.")
class Dispute(View):
    id: strawberry.ID = read("id", description="The payment provider's id.")
    order_id: strawberry.ID | None = read(
        text("order_id"), description="The order that was paid; null for a top-up."
    )
    amount: float = read(float_amount("amount"), description="Disputed amount.")
    amount_exact: str = read(
        exact_amount("amount"), description="The exact amount as a decimal string."
    )
    currency: str = read("amount.currency_code", description="ISO 4217 code of the amount.")
    reason: str = read(
        "reason",
        description="The payment provider's reason, such as fraudulent or product_not_received.",
    )
    status: str = read(
        "status", description="The payment provider's status, such as needs_response, won or lost."
    )
    respond_by: datetime | None = read(
        optional_time("respond_by"),
        description="Until when evidence can be submitted; null if it can't.",
    )
    created_at: datetime = read(timestamp("created_at"), description="When the dispute was opened.")
    closed_at: datetime | None = read(
        optional_time("closed_at"), description="When it was decided; null while it is open."
    )
    proto: strawberry.Private[payments_pb2.Dispute]


@strawberry.type(description="A page of disputes.")
class DisputePage:
    nodes: list[Dispute] = strawberry.field(description="The disputes of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.type(description="One item of evidence against a dispute.")
class EvidenceItem(View):
    field: str = read(
        "field", description="Field of the payment provider's form, such as access_activity_log."
    )
    text: str = read("text", description="Text to enter in the field.")
    proto: strawberry.Private[payments_pb2.EvidenceItem]


@strawberry.type(description="What card networks ask for in a dispute about digital goods.")
class DisputeEvidence(View):
    disputes: list[Dispute] = listed(
        "disputes", Dispute, description="Disputes of the order, if there are any."
    )
    items: list[EvidenceItem] = listed(
        "items", EvidenceItem, description="The evidence, one item for each field of the form."
    )
    proto: strawberry.Private[payments_pb2.GetDisputeEvidenceResponse]


OpenOnlyArgument = Annotated[
    bool, strawberry.argument(description="True: only disputes that are not decided yet.")
]


@strawberry.type
class DisputeQueries:
    """Mixed into Query."""

    @finance_field(description="Disputed payments, the newest first, page by page.")
    async def disputes(
        self,
        info: Info,
        open_only: OpenOnlyArgument = False,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
    ) -> DisputePage | None:
        request = payments_pb2.ListDisputesRequest(
            open_only=open_only, page_size=page_size(first), page_token=after or ""
        )
        page = await page_of(info.context.call(info.context.peers.payments.ListDisputes, request))
        info.context.spend(len(page.disputes))
        return DisputePage(
            nodes=views(Dispute, page.disputes), next_cursor=page.next_page_token or None
        )

    @finance_field(
        description="What to submit to the payment provider in a dispute about an order: purchase, delivery,"
        " installation and usage."
    )
    async def dispute_evidence(
        self, info: Info, order_id: OrderIdArgument
    ) -> DisputeEvidence | None:
        request = payments_pb2.GetDisputeEvidenceRequest(order_id=order_id)
        found = await info.context.call(info.context.peers.payments.GetDisputeEvidence, request)
        return DisputeEvidence.of(found)
