"""Whether the payment of an order in review still stands, so that it may be delivered."""

from kit.db.database import Connection
from kit.errors import Failure, Kind
from services.orders.order import Order
from services.orders.payment import PaymentState
from services.orders.payments import store as payments


async def check(connection: Connection, subject: Order) -> None:
    """Raise Failure REFUSED for a released (ORDER_NOT_PAID) or refunded payment (PAYMENT_REFUNDED)."""
    if not subject.has_payment:
        return
    payment = await payments.of_order(connection, subject.id)
    if payment is None or payment.state is PaymentState.RELEASED:
        raise Failure(
            Kind.REFUSED,
            "ORDER_NOT_PAID",
            "The hold of this order's payment has ended: ask the customer to pay, record it with"
            " MarkOrderPaid, and settle the order then",
        )
    if payment.state is PaymentState.PAID and payment.refunded:
        raise Failure(
            Kind.REFUSED,
            "PAYMENT_REFUNDED",
            "The payment of this order was refunded because of a fraud warning, so it must not be"
            " delivered: settle it as not bought, or as paid back",
        )
