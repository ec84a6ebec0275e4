"""Whether the payment of an order in review still stands, so that it may be delivered."""

from kit.db.database import Connection
from kit.errors import Failure, Kind
from services.orders.order import Order
from services.orders.payment import PaymentState
from services.orders.payments import store as payments
from services.orders.payments.disputes import store as disputes


async def check(connection: Connection, subject: Order) -> None:
    """Raise Failure REFUSED for a payment that was released, refunded or disputed.

    The reasons are ORDER_NOT_PAID, PAYMENT_REFUNDED and PAYMENT_DISPUTED.
    """
    if not subject.has_payment:
        return
    payment = await payments.of_order(connection, subject.id)
    if payment is None or payment.state is PaymentState.RELEASED:
        raise Failure(
            Kind.REFUSED,
            "ORDER_NOT_PAID",
            "The hold of this order's payment has ended: ask the customer to pay, record it with"
            " MarkOrderPaid (`esimgo payments mark-paid`), and settle the order then",
        )
    if payment.state is PaymentState.PAID and payment.refunded:
        raise Failure(
            Kind.REFUSED,
            "PAYMENT_REFUNDED",
            "The payment of this order was refunded because of a fraud warning, so it must not be"
            " delivered: settle it as not bought, or as paid back",
        )
    if await disputes.takes_payment(connection, payment):
        raise Failure(
            Kind.REFUSED,
            "PAYMENT_DISPUTED",
            "A dispute has withdrawn the payment of this order, so it must not be delivered: continue once"
            " the dispute is won, or settle the order as not bought, or as paid back",
        )
