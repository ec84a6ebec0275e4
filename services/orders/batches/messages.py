"""Translates batches into their protos."""

from datetime import datetime, timedelta
from decimal import Decimal

from kit.values import money, timestamps
from protos.common.v1 import money_pb2
from protos.orders.v1 import batches_pb2 as pb
from services.orders.batches.accept import Validated
from services.orders.batches.batch import (
    Batch,
    BatchStatus,
    ErrorPolicy,
    Item,
    ItemStatus,
    Problem,
)
from services.orders.batches.read_store import BatchESIM
from services.orders.batches.validation import CheckedRow, seconds
from services.orders.traveler import Traveler

STATUSES = {status: pb.BatchStatus.Value(f"BATCH_STATUS_{status}") for status in BatchStatus}
ITEM_STATUSES = {
    status: pb.BatchItemStatus.Value(f"BATCH_ITEM_STATUS_{status}") for status in ItemStatus
}
POLICIES = {
    policy: pb.BatchErrorPolicy.Value(f"BATCH_ERROR_POLICY_{policy}") for policy in ErrorPolicy
}


def batch_to_proto(batch: Batch, pause: float, now: datetime) -> pb.Batch:
    counts, status = batch.counts, batch.status
    return pb.Batch(
        id=str(batch.id),
        organization_id=str(batch.organization_id or ""),
        group_id=str(batch.group_id or ""),
        customer_id=str(batch.customer_id),
        name=batch.name,
        status=STATUSES[status],
        status_reason=batch.reason,
        error_policy=POLICIES[batch.policy],
        counts=pb.BatchCounts(
            items=counts.items,
            pending=counts.pending,
            processing=counts.processing,
            delivered=counts.delivered,
            failed=counts.failed,
            cancelled=counts.cancelled,
            esims=counts.esims,
            esims_delivered=counts.esims_delivered,
        ),
        expected_total=money.to_proto(counts.expected, batch.currency),
        spent_total=money.to_proto(counts.spent, batch.currency),
        max_total=None
        if batch.max_total is None
        else money.to_proto(batch.max_total, batch.currency),
        not_before=timestamps.to_proto(batch.not_before),
        estimated_end=timestamps.to_proto(
            None if batch.finished else _estimated_end(batch, pause, now)
        ),
        created_at=timestamps.to_proto(batch.created_at),
        finished_at=timestamps.to_proto(batch.ended_at),
    )


def _estimated_end(batch: Batch, pause: float, now: datetime) -> datetime:
    begins = max(now, batch.not_before or batch.created_at)
    return begins + timedelta(seconds=seconds(batch.counts.orders_pending, pause))


def validated_to_proto(found: Validated, pause: float) -> pb.ValidateBatchResponse:
    checked = found.checked
    return pb.ValidateBatchResponse(
        acceptable=not found.problems,
        rows=map(_row_to_proto, checked.rows),
        problems=map(_problem_to_proto, found.problems),
        total=money.to_proto(checked.total, checked.currency) if checked.currency else None,
        budgets=[
            pb.BatchBudget(
                budget_id=str(budget.id),
                scope=budget.target.scope,
                left=None if left is None else money.to_proto(left, budget.currency),
            )
            for budget, left in found.budgets
        ],
        orders=len(checked.orders),
        esims=checked.esims,
        invalid_rows=checked.invalid,
        estimated_seconds=round(seconds(len(checked.orders), pause)),
    )


def _row_to_proto(checked: CheckedRow) -> pb.BatchRow:
    quote = checked.quote
    return pb.BatchRow(
        position=checked.row.position,
        errors=map(_problem_to_proto, checked.errors),
        warnings=map(_problem_to_proto, checked.warnings),
        plan_title=checked.title,
        unit_price=money.to_proto(quote.each, quote.currency) if quote else None,
        total_price=money.to_proto(quote.total, quote.currency) if quote else None,
    )


def _problem_to_proto(problem: Problem) -> pb.BatchProblem:
    return pb.BatchProblem(field=problem.field, code=problem.code, message=problem.message)


def traveler_to_proto(traveler: Traveler | None) -> pb.BatchTraveler | None:
    if traveler is None:
        return None
    return pb.BatchTraveler(
        name=traveler.name, email=traveler.email, user_id=str(traveler.user_id or "")
    )


def item_to_proto(item: Item, currency: str, *, with_esims: bool = True) -> pb.BatchItem:
    """Return a row; without its eSIMs and traveler for the staff that must not see them."""
    return pb.BatchItem(
        position=item.position,
        plan_id=str(item.plan_id or ""),
        plan_title=item.plan_title,
        quantity=item.quantity,
        esim_id=str(item.esim_id or "") if with_esims else "",
        traveler=traveler_to_proto(item.traveler) if with_esims else None,
        reference=item.reference,
        status=ITEM_STATUSES[item.status],
        order_id=str(item.order_id or ""),
        iccids=item.iccids if with_esims else (),
        code=item.code,
        error=item.error,
        attempts=item.attempts,
        total_price=_optional(item.total_price, currency),
    )


def _optional(amount: Decimal | None, currency: str) -> money_pb2.Money | None:
    return None if amount is None else money.to_proto(amount, currency)


def esim_to_proto(found: BatchESIM) -> pb.BatchESIM:
    return pb.BatchESIM(
        position=found.position,
        number=found.number,
        iccid=found.esim.iccid,
        matching_id=found.esim.matching_id,
        smdp_address=found.esim.smdp_address,
        traveler=traveler_to_proto(found.traveler),
        reference=found.reference,
        plan_id=str(found.plan_id),
        plan_title=found.plan_title,
        order_id=str(found.order_id),
    )
