"""The rows of an uploaded sheet as the orders service gets them, and the answers about them as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway import errors
from gateway.sheets.batch_rows import REPEATED, BatchSheet, Problem, SheetRow, WantedPlan
from gateway.upstream import wanted_plans
from kit.values import money, timestamps
from protos.orders.v1 import batches_pb2 as pb

STATUS = "BATCH_STATUS_"


class Row:
    """A row of the sheet with its plan, as the orders service gets it."""

    def __init__(self, row: SheetRow, plans: Mapping[WantedPlan, wanted_plans.Found]) -> None:
        found = None if row.plan is None else plans[row.plan]
        self.row = row
        self.errors = [*row.errors, *([found] if isinstance(found, Problem) else [])]
        self.plan_id = found if isinstance(found, str) else ""
        # Without a plan, so that a row with a fault found here does not count in the total.
        self.item = pb.BatchItemInput(
            plan_id="" if self.errors else self.plan_id,
            quantity=row.quantity,
            esim_id=row.esim_id,
            reference=row.reference,
        )
        if row.name or row.email or row.user_id:
            self.item.traveler.CopyFrom(
                pb.BatchTraveler(name=row.name, email=row.email, user_id=row.user_id)
            )

    def answer(self, validated: pb.BatchRow) -> dict[str, Any]:
        # The orders service reports the missing plan of a row whose faults were found here.
        errors_ = [one for one in validated.errors if not (self.errors and one.field == "plan_id")]
        warnings = [one for one in validated.warnings if one.code != REPEATED]
        return {
            "line": self.row.line,
            "position": validated.position,
            "item": self._input(),
            "planTitle": validated.plan_title or None,
            "unitPrice": _money(validated, "unit_price"),
            "totalPrice": _money(validated, "total_price"),
            "errors": [*map(_own, self.errors), *map(_problem, errors_)],
            "warnings": [*map(_own, self.row.warnings), *map(_problem, warnings)],
        }

    def _input(self) -> dict[str, Any] | None:
        """Return the row as a BatchItemInput of the GraphQL schema; None if the sheet must be corrected."""
        if self.errors:
            return None
        row = self.row
        given = {
            "planId": self.plan_id,
            "quantity": row.quantity,
            "esimId": row.esim_id,
            "reference": row.reference,
            "traveler": _filled({"name": row.name, "email": row.email, "userId": row.user_id}),
        }
        return _filled(given)


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def validation(
    sheet: BatchSheet, rows: Sequence[Row], response: pb.ValidateBatchResponse
) -> dict[str, Any]:
    return {
        "encoding": sheet.encoding,
        "delimiter": sheet.delimiter,
        "ignoredColumns": list(sheet.ignored),
        "acceptable": response.acceptable,
        "rows": [row.answer(validated) for row, validated in zip(rows, response.rows, strict=True)],
        "problems": _problems(response.problems),
        "total": _money(response, "total"),
        "currency": response.total.currency_code or None,
        "budgets": [
            {
                "budgetId": budget.budget_id,
                "scope": budget.scope,
                "left": _money(budget, "left"),
            }
            for budget in response.budgets
        ],
        "orders": response.orders,
        "esims": response.esims,
        "invalidRows": response.invalid_rows,
        "estimatedSeconds": response.estimated_seconds,
    }


def _money(message: Any, field: str) -> str | None:
    """Return a field with money as a decimal string; None if it is absent."""
    return money.text(getattr(message, field)) if message.HasField(field) else None


def _problems(problems: Iterable[pb.BatchProblem]) -> list[dict[str, str | None]]:
    return [_problem(problem) for problem in problems]


def _problem(problem: pb.BatchProblem) -> dict[str, str | None]:
    name = errors.argument(problem.field)
    return {
        "field": name or None,
        "code": problem.code,
        "message": errors.translated(problem.message),
    }


def _own(problem: Problem) -> dict[str, str | None]:
    return {"field": problem.field or None, "code": problem.code, "message": problem.message}


def batch(created: pb.Batch) -> dict[str, Any]:
    """Return a batch with the fields that it has in the GraphQL schema."""
    ends = created.estimated_end if created.HasField("estimated_end") else None
    return {
        "id": created.id,
        "name": created.name or None,
        "status": pb.BatchStatus.Name(created.status).removeprefix(STATUS),
        "statusReason": created.status_reason or None,
        "expectedTotal": money.text(created.expected_total),
        "spentTotal": money.text(created.spent_total),
        "currency": created.expected_total.currency_code,
        "estimatedEnd": None if ends is None else timestamps.to_text(timestamps.from_proto(ends)),
        "counts": {
            errors.argument(field.name): getattr(created.counts, field.name)
            for field in created.counts.DESCRIPTOR.fields
        },
    }
