"""Inputs of batches."""

from datetime import datetime
from typing import Annotated

import strawberry

from gateway.schema import inputs
from gateway.schema.organizations.batch_statuses import BatchErrorPolicy
from kit.errors import invalid
from protos.orders.v1 import batches_pb2 as pb

# The provider's maximum for one order.
MAX_QUANTITY = 10


@strawberry.input(
    description="Who travels with the eSIMs of a row. A name or an e-mail address is required."
)
class BatchTravelerInput:
    name: str | None = strawberry.field(
        default=None, description="Name, in any script, at most 200 characters."
    )
    email: str | None = strawberry.field(
        default=None, description="E-mail address, at most 320 characters."
    )
    user_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Id of their account, which must be a member of the organization; the eSIM is then among"
        " their `myESIMs`. Omit for a batch without an organization.",
    )


@strawberry.input(description="A row of a batch.")
class BatchItemInput:
    plan_id: strawberry.ID = strawberry.field(description="The plan's id.")
    quantity: int = strawberry.field(default=1, description="Number of eSIMs, 1 to 10.")
    esim_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Existing eSIM to which the plan is added. Requires a quantity of 1 and no traveler. Omit"
        " for new eSIMs.",
    )
    traveler: BatchTravelerInput | None = strawberry.field(
        default=None, description="Who travels with the eSIMs. Omit if no one is named."
    )
    reference: str | None = strawberry.field(
        default=None, description="Free-text reference of the row, at most 100 characters."
    )

    def to_proto(self, path: str) -> pb.BatchItemInput:
        """Return the row; `path` is that of the input. Raises Failure INVALID."""
        if self.quantity == 0:  # which means 1 to the service
            raise invalid({f"{path}.quantity": f"must be from 1 to {MAX_QUANTITY}, not 0"})
        traveler = self.traveler
        return pb.BatchItemInput(
            plan_id=self.plan_id,
            quantity=self.quantity,
            esim_id=inputs.optional_id(f"{path}.esimId", self.esim_id, "for new eSIMs"),
            traveler=None
            if traveler is None
            else pb.BatchTraveler(
                name=traveler.name or "",
                email=traveler.email or "",
                user_id=inputs.optional_id(
                    f"{path}.traveler.userId", traveler.user_id, "for a person without an account"
                ),
            ),
            reference=self.reference or "",
        )


@strawberry.input(description="A batch to validate or create.")
class BatchInput:
    items: list[BatchItemInput] = strawberry.field(
        description="The rows: 1 to 1,000, with at most 2,000 eSIMs together."
    )
    organization_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Organization to buy for, in its currency. Omit to buy for oneself.",
    )
    group_id: strawberry.ID | None = strawberry.field(
        default=None, description="Group of the organization that the batch is for."
    )
    name: str | None = strawberry.field(
        default=None, description="Name of the batch, at most 200 characters."
    )
    error_policy: BatchErrorPolicy = strawberry.field(
        default=BatchErrorPolicy.SKIP_FAILED,
        description="What a failure of one row means for the others. No policy buys all or nothing,"
        " because the provider can't.",
    )
    max_total: str | None = strawberry.field(
        default=None,
        description="What the batch may cost at most, with tax, as a decimal string; otherwise it is refused"
        " with MAX_TOTAL_EXCEEDED.",
    )
    currency: str | None = strawberry.field(
        default=None,
        description="ISO 4217 code of a price list, also of `maxTotal`. Omit for that of the organization, or"
        " of the shop.",
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="Unique key of this batch, up to 200 visible ASCII characters; `createBatch` requires it."
        " Repeating a request with the same key returns the existing batch instead of buying twice.",
    )
    not_before: datetime | None = strawberry.field(
        default=None,
        description="When the first order may be placed, at most 90 days ahead. Omit to begin at once.",
    )

    def to_proto(self) -> pb.BatchInput:
        """Return the batch; raise Failure INVALID."""
        currency = self.currency or ""
        return pb.BatchInput(
            organization_id=inputs.optional_id(
                "input.organizationId", self.organization_id, "to buy for yourself"
            ),
            group_id=inputs.optional_id("input.groupId", self.group_id, "to buy for no group"),
            name=self.name or "",
            items=[item.to_proto(f"input.items[{n}]") for n, item in enumerate(self.items)],
            error_policy=pb.BatchErrorPolicy.Value(f"BATCH_ERROR_POLICY_{self.error_policy.name}"),
            max_total=None
            if self.max_total is None
            else inputs.amount("input.max_total", self.max_total, currency),
            not_before=inputs.moment("input.not_before", self.not_before),
            currency=currency,
        )

    def key(self) -> str:
        """Return the idempotency key; raise Failure INVALID without one."""
        if not self.idempotency_key:
            raise invalid(
                {"input.idempotencyKey": "is required, so that a repeated request buys only once"}
            )
        return self.idempotency_key


BatchArgument = Annotated[BatchInput, strawberry.argument(description="The batch.")]
BatchIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The batch's id.")]
