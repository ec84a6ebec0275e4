"""What the validation of a batch finds, row by row."""

import strawberry

from gateway.errors import argument, translated
from gateway.execution.columns import computed, exact_amount, text
from gateway.execution.views import View, listed, read
from protos.orders.v1 import batches_pb2 as pb


@strawberry.type(description="An error or a warning about a row or a batch.")
class BatchProblem(View):
    field: str | None = read(
        computed(lambda row: argument(row.field) if row.field else None),
        description="Field, such as `traveler.email`; null for the whole.",
    )
    code: str = read("code", description="Machine-readable reason, such as PLAN_NOT_FOUND.")
    message: str = read(
        computed(lambda row: translated(row.message)), description="What is wrong, and what to do."
    )
    proto: strawberry.Private[pb.BatchProblem]


@strawberry.type(description="The validation of one row.")
class BatchRow(View):
    position: int = read("position", description="1 for the first row.")
    errors: list[BatchProblem] = listed(
        "errors",
        BatchProblem,
        description="Faults because of which the row can't be bought; empty if it can.",
    )
    warnings: list[BatchProblem] = listed(
        "warnings",
        BatchProblem,
        description="Warnings, which don't prevent the purchase of the row.",
    )
    plan_title: str | None = read(
        text("plan_title"), description="Title of the plan; null if the plan was not found."
    )
    unit_price: str | None = read(
        exact_amount("unit_price", optional=True),
        description="Price of one item as shown in the catalogue, as a decimal string; null without a plan.",
    )
    total_price: str | None = read(
        exact_amount("total_price", optional=True),
        description="What the row costs, with tax, as a decimal string; null without a plan.",
    )
    proto: strawberry.Private[pb.BatchRow]


@strawberry.type(description="A budget that the batch would use.")
class BatchBudget(View):
    budget_id: strawberry.ID = read("budget_id", description="The budget's id.")
    scope: str = read("scope", description="ORGANIZATION, GROUP or MEMBER.")
    left: str | None = read(
        exact_amount("left", optional=True),
        description="What would be left after the batch, as a decimal string: negative if the batch exceeds"
        " it; null without a limit.",
    )
    proto: strawberry.Private[pb.BatchBudget]


@strawberry.type(description="Result of `validateBatch`.")
class BatchValidation(View):
    acceptable: bool = read(
        "acceptable", description="True if `createBatch` would accept the batch now."
    )
    rows: list[BatchRow] = listed("rows", BatchRow, description="One for each row, in their order.")
    problems: list[BatchProblem] = listed(
        "problems", BatchProblem, description="Why the batch as a whole would be refused."
    )
    total: str | None = read(
        exact_amount("total", optional=True),
        description="What the rows without errors cost, with tax, as a decimal string.",
    )
    currency: str | None = read(
        text("total.currency_code"), description="ISO 4217 code of the amounts; null without a row."
    )
    budgets: list[BatchBudget] = listed(
        "budgets", BatchBudget, description="Budgets that the batch would use."
    )
    orders: int = read("orders", description="Number of orders that the batch would place.")
    esims: int = read("esims", description="Number of eSIMs that it would buy.")
    invalid_rows: int = read("invalid_rows", description="Number of rows with errors.")
    estimated_seconds: int = read(
        "estimated_seconds",
        description="How long the batch takes at least, without other batches, in seconds.",
    )
    proto: strawberry.Private[pb.ValidateBatchResponse]
