"""Translates the values of the orders service into its protos."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from kit.auth.sessions import STAFF, SUFFICIENT, Role, Session
from kit.values import money, timestamps
from protos.common.v1 import money_pb2
from protos.orders.v1 import orders_pb2 as pb
from services.orders.cancellation.preview import Extent, Offer
from services.orders.cancellation.revocation import Revocation, cancelled_message
from services.orders.listing.timeline_store import Entry
from services.orders.operators.history_store import Stuck, Unexplained
from services.orders.operators.review import History
from services.orders.order import DeliveredESIM, Order, OrderCost, OrderStatus, Refund
from services.orders.provider.provider_order import ProviderOrder
from services.orders.purchase.offers import Offer as PriceOffer
from services.orders.status_reasons import FailureReason

STATUSES: Mapping[OrderStatus, "pb.OrderStatus.ValueType"] = {
    OrderStatus.PROCESSING: pb.ORDER_STATUS_PROCESSING,
    # Customers see a review as processing; for operators, `needs_review` is set in addition.
    OrderStatus.NEEDS_REVIEW: pb.ORDER_STATUS_PROCESSING,
    OrderStatus.COMPLETED: pb.ORDER_STATUS_COMPLETED,
    OrderStatus.FAILED: pb.ORDER_STATUS_FAILED,
    OrderStatus.CANCELLED: pb.ORDER_STATUS_CANCELLED,
    OrderStatus.REFUNDED: pb.ORDER_STATUS_REFUNDED,
}
REFUNDS: Mapping[Refund | None, "pb.RefundResult.ValueType"] = {
    None: pb.REFUND_RESULT_UNSPECIFIED,
    Refund.BALANCE: pb.REFUND_RESULT_BALANCE,
    Refund.INVENTORY: pb.REFUND_RESULT_INVENTORY,
    Refund.NONE: pb.REFUND_RESULT_NONE,
}

EXTENTS: Mapping[Extent, "pb.CancellationExtent.ValueType"] = {
    Extent.WHOLE: pb.CANCELLATION_EXTENT_WHOLE,
    Extent.UNUSED_PART: pb.CANCELLATION_EXTENT_UNUSED_PART,
    Extent.NOTHING: pb.CANCELLATION_EXTENT_NOTHING,
    Extent.UNKNOWN: pb.CANCELLATION_EXTENT_UNKNOWN,
}


def statuses_of(values: Sequence[int]) -> list[OrderStatus]:
    """Return the stored statuses that clients see as one of these values."""
    return [status for status, value in STATUSES.items() if value in values]


def order_to_proto(order: Order, session: Session) -> pb.Order:
    """Return an order as the session may see it.

    Only staff and services see that one needs a review, and only some of them see costs: these orders must
    have been read with their costs.
    """
    operator, finance = session.role in STAFF, session.role in SUFFICIENT[Role.FINANCE]
    return pb.Order(
        id=str(order.id),
        reference=order.provider_reference or "",
        status=STATUSES[order.status],
        status_reason=order.status_reason,
        plan_id=str(order.plan_id),
        bundle_name=order.bundle_name,
        quantity=order.quantity,
        unit_price=money.to_proto(order.unit_price, order.currency),
        total_price=money.to_proto(order.total_price, order.currency),
        customer_reference=order.customer_reference,
        auto_activate=order.auto_activate,
        customer_id=str(order.customer_id),
        created_at=timestamps.to_proto(order.created_at),
        updated_at=timestamps.to_proto(order.updated_at),
        needs_review=operator and order.status is OrderStatus.NEEDS_REVIEW,
        failure_reason=shown_failure(order.failure_reason, operator=operator),
        esim_id=str(order.target_esim_id or ""),
        reassigned=order.reassigned,
        charged_above=_charged_above(order) if finance else None,
        discount=money.to_proto(order.discount, order.currency) if order.discount else None,
        tax_amount=money.to_proto(order.tax_amount, order.currency),
        tax_rate=percent(order.tax_rate),
        price_includes_tax=order.includes_tax and order.tax_rate > 0,
        coupon_code=order.coupon_code,
        sold_plan=pb.SoldPlan(**order.sold_plan) if order.sold_plan else None,
        cost=_cost(order, order.cost) if order.cost and finance else None,
        has_payment=order.has_payment,
        organization_id=str(order.organization_id or ""),
        group_id=str(order.group_id or ""),
    )


def percent(rate: Decimal) -> str:
    """Return a fraction in percent, such as "19" for 0.19; empty for 0."""
    return f"{money.plain(rate * 100):f}" if rate else ""


def _charged_above(order: Order) -> money_pb2.Money | None:
    """Return by how much the charge exceeded the expected cost."""
    if order.charged_above is not None:
        return money.to_proto(order.charged_above, order.currency)
    if order.cost is None or order.cost.above is None:
        return None
    return money.to_proto(order.cost.above, order.cost.currency)


def _cost(order: Order, cost: OrderCost) -> pb.OrderCost:
    charged = None
    if cost.charged is not None:
        charged = money.to_proto(cost.charged, cost.charged_currency or cost.currency)
    rate = cost.exchange_rate
    return pb.OrderCost(
        expected=money.to_proto(cost.expected, cost.currency),
        charged=charged,
        price_list=order.price_list or "",
        rule_version=cost.rule_version,
        exchange_rate="" if rate is None else f"{money.plain(rate):f}",
        exchange_rate_at=timestamps.to_proto(cost.exchange_rate_at),
    )


def offer_to_quote(offer: PriceOffer) -> pb.QuoteOrderResponse:
    """Return the answer of QuoteOrder."""
    sums, currency = offer.quote.totals, offer.quote.currency
    return pb.QuoteOrderResponse(
        unit_price=money.to_proto(offer.quote.each, currency),
        subtotal=money.to_proto(sums.subtotal, currency),
        discount=money.to_proto(sums.discount, currency) if sums.discount else None,
        tax_amount=money.to_proto(sums.tax, currency),
        tax_rate=percent(offer.plan.terms.tax),
        price_includes_tax=offer.plan.terms.includes_tax and offer.plan.terms.tax > 0,
        total=money.to_proto(sums.total, currency),
        valid_until=timestamps.to_proto(offer.valid_until),
    )


def shown_failure(reason: str, *, operator: bool) -> str:
    """Return the reason; only operators see that the shop's balance was too low."""
    hidden = reason == FailureReason.INSUFFICIENT_BALANCE and not operator
    return FailureReason.NOT_SOLD_NOW if hidden else reason


def esim_to_proto(esim: DeliveredESIM) -> pb.OrderAssignment:
    return pb.OrderAssignment(
        iccid=esim.iccid, matching_id=esim.matching_id, smdp_address=esim.smdp_address
    )


def revocation_to_proto(revocation: Revocation) -> pb.RevokedAssignment:
    return pb.RevokedAssignment(
        iccid=revocation.iccid,
        assignment_id=revocation.assignment_id,
        refund=REFUNDS[revocation.refund],
    )


def cancellation_to_proto(
    order: Order, revocations: list[Revocation], session: Session
) -> pb.CancelOrderResponse:
    """Return the answer of CancelOrder, with all revocations of the order."""
    message = order.status_reason or cancelled_message(revocations)
    if order.status is OrderStatus.COMPLETED and order.cancel_requested_at is not None:
        message = "The order is being cancelled; check its status again soon."
    return pb.CancelOrderResponse(
        order=order_to_proto(order, session),
        message=message,
        revoked=[revocation_to_proto(r) for r in revocations if r.state == "REVOKED"],
    )


def offer_to_proto(order: Order, offer: Offer) -> pb.OrderCancellation:
    return pb.OrderCancellation(
        order_id=str(order.id),
        extent=EXTENTS[offer.extent],
        code=offer.code,
        message=offer.message,
        bundles=[
            revocation_to_proto(replace(choice.revocation, refund=choice.refund))
            for choice in offer.choices
        ],
        refund_total=money.to_proto(offer.refunded(order), order.currency),
    )


def timelines_to_proto(entries: Sequence[Entry]) -> list[pb.OrderTimeline]:
    """Group entries by order."""
    return [
        pb.OrderTimeline(
            order_id=str(order_id),
            entries=[
                pb.TimelineEntry(
                    at=timestamps.to_proto(e.at), status=STATUSES[e.status], message=e.message
                )
                for e in of_order
            ],
        )
        for order_id, of_order in groupby(entries, key=lambda entry: entry.order_id)
    ]


def stuck_to_proto(stuck: Stuck, session: Session) -> pb.StuckOrder:
    return pb.StuckOrder(
        order=order_to_proto(stuck.order, session),
        recovery_point=stuck.order.recovery_point,
        detail=stuck.detail,
        next_look_at=timestamps.to_proto(stuck.next_look_at),
    )


def history_to_proto(found: History, session: Session) -> pb.GetOrderHistoryResponse:
    return pb.GetOrderHistoryResponse(
        order=stuck_to_proto(found.stuck, session),
        attempts=[
            pb.OrderAttempt(
                outcome=attempt.outcome,
                started_at=timestamps.to_proto(attempt.started_at),
                ended_at=timestamps.to_proto(attempt.ended_at),
            )
            for attempt in found.attempts
        ],
        steps=[
            pb.OrderStep(
                at=timestamps.to_proto(step.at),
                from_status=step.from_status or "",
                to_status=step.to_status,
                actor=step.actor,
                reason=step.reason,
                note=step.note,
            )
            for step in found.steps
        ],
        candidates=[
            _candidate_to_proto(c, found.owners.get(c.reference)) for c in found.candidates
        ],
        candidates_error=found.candidates_error,
    )


def _candidate_to_proto(found: ProviderOrder, owner: UUID | None) -> pb.ProviderOrder:
    return pb.ProviderOrder(
        reference=found.reference,
        created_at=timestamps.to_proto(found.created_at),
        bundle_name=found.item or "",
        quantity=found.quantity,
        total_price=_total(found.total, found.currency),
        source_address=found.source_address,
        iccids=sorted(found.iccids),
        order_id=str(owner or ""),
    )


def unexplained_to_proto(found: Unexplained) -> pb.ProviderOrder:
    return pb.ProviderOrder(
        reference=found.reference,
        created_at=timestamps.to_proto(timestamps.believable(found.created_at)),
        bundle_name=found.bundle_name,
        quantity=found.quantity,
        total_price=_total(found.total, found.currency),
        source_address=found.source_address,
        iccids=found.iccids,
    )


def _total(total: Decimal | None, currency: str | None) -> money_pb2.Money | None:
    return None if total is None else money.to_proto(total, currency or "")
