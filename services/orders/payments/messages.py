"""Translates payments into their protos, as the session may see them."""

from collections.abc import Sequence

from kit.auth.sessions import STAFF, Session
from kit.values import money, timestamps
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payment import (
    Payment,
    PaymentMethod,
    PaymentState,
    Refund,
    RefundDestination,
    RefundState,
)

METHODS = {
    PaymentMethod.CARD: pb.PAYMENT_METHOD_CARD,
    PaymentMethod.WALLET: pb.PAYMENT_METHOD_WALLET,
    PaymentMethod.MANUAL: pb.PAYMENT_METHOD_MANUAL,
    PaymentMethod.INVOICE: pb.PAYMENT_METHOD_INVOICE,
}
DESTINATIONS = {
    RefundDestination.CARD: pb.REFUND_DESTINATION_CARD,
    RefundDestination.WALLET: pb.REFUND_DESTINATION_WALLET,
    RefundDestination.MANUAL: pb.REFUND_DESTINATION_MANUAL,
    RefundDestination.INVOICE: pb.REFUND_DESTINATION_INVOICE,
}
REFUND_STATES = {
    RefundState.PLANNED: pb.REFUND_STATE_PENDING,
    RefundState.STARTED: pb.REFUND_STATE_PENDING,
    RefundState.PENDING: pb.REFUND_STATE_PENDING,
    RefundState.SUCCEEDED: pb.REFUND_STATE_SUCCEEDED,
    RefundState.FAILED: pb.REFUND_STATE_FAILED,
}


def status_of(payment: Payment, *, staff: bool) -> "pb.PaymentStatus.ValueType":
    """Return the status; only the staff sees that a payment is held."""
    if staff and payment.held:
        return pb.PAYMENT_STATUS_HELD
    match payment.state:
        case PaymentState.AWAITING:
            return pb.PAYMENT_STATUS_REQUIRES_ACTION
        case PaymentState.AUTHORIZED:
            return pb.PAYMENT_STATUS_AUTHORIZED
        case PaymentState.RELEASED:
            return pb.PAYMENT_STATUS_RELEASED
        case PaymentState.PAID | PaymentState.CAPTURED:
            if not payment.refunded:
                return pb.PAYMENT_STATUS_PAID
            whole = payment.refunded >= payment.captured
            return pb.PAYMENT_STATUS_REFUNDED if whole else pb.PAYMENT_STATUS_PARTIALLY_REFUNDED


def payment_to_proto(
    payment: Payment,
    session: Session,
    *,
    refunds: Sequence[Refund] = (),
    disputed: bool = False,
    client_secret: str = "",
    redirect_url: str = "",
) -> pb.Payment:
    """Return a payment as the session may see it; reasons of holds and details are for the staff."""
    staff, currency = session.role in STAFF, payment.currency
    unpaid = payment.state is PaymentState.AWAITING
    found = pb.Payment(
        id=str(payment.id),
        order_id=str(payment.order_id or ""),
        method=METHODS[payment.method],
        status=status_of(payment, staff=staff),
        amount=money.to_proto(payment.amount, currency),
        wallet_amount=money.to_proto(payment.wallet_amount, currency)
        if payment.wallet_amount
        else None,
        captured=money.to_proto(payment.captured, currency),
        refunded=money.to_proto(payment.refunded, currency),
        client_secret=client_secret if unpaid else "",
        redirect_url=redirect_url if unpaid else "",
        expires_at=timestamps.to_proto(payment.expires_at) if unpaid else None,
        failure=payment.failure,
        card_last4=payment.card_last4,
        created_at=timestamps.to_proto(payment.created_at),
        refunds=[refund_to_proto(refund, session) for refund in refunds],
    )
    if staff:
        found.MergeFrom(
            pb.Payment(
                customer_id=str(payment.customer_id),
                held_reason=payment.held_reason,
                detail=payment.detail,
                capture_before=timestamps.to_proto(payment.capture_before),
                intent_id=payment.intent_id or "",
                disputed=disputed,
            )
        )
    return found


def refund_to_proto(refund: Refund, session: Session) -> pb.Refund:
    """Return a refund as the session may see it; notes and reasons of failures are for the staff."""
    staff = session.role in STAFF
    return pb.Refund(
        id=str(refund.id),
        order_id=str(refund.order_id or ""),
        amount=money.to_proto(refund.amount, refund.currency),
        destination=DESTINATIONS[refund.destination],
        state=REFUND_STATES[refund.state],
        reason=refund.reason,
        created_at=timestamps.to_proto(refund.created_at),
        settled_at=timestamps.to_proto(refund.settled_at),
        note=refund.note if staff else "",
        failure=refund.failure if staff else "",
        requested_by=refund.requested_by if staff else "",
    )
