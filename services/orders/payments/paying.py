"""What clients learn of the payments of orders, and what they need to pay."""

import logging
from collections.abc import Sequence
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from protos.orders.v1 import payments_pb2 as pb
from services.orders.order import Order
from services.orders.payment import Payment, PaymentState
from services.orders.payments import messages, store
from services.orders.payments.decide import without_payment
from services.orders.payments.port import IntentState
from services.orders.payments.run import Payments
from services.orders.payments.start import Started, Starts, not_open

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# States of an intent in which its customer has nothing to do.
MOVED_ON = (IntentState.AUTHORIZED, IntentState.PAID, IntentState.CANCELED)


class Paying:
    """Reads payments for clients. The caller has checked that the session may see the orders."""

    def __init__(self, database: Database, starts: Starts, payments: Payments) -> None:
        self._database = database
        self._starts = starts
        self._payments = payments

    async def shown(self, session: Session, order_ids: Sequence[UUID]) -> list[pb.Payment]:
        """Return the payments of orders as they are recorded."""
        async with self._database.system() as connection:
            found = await store.of_orders(connection, order_ids)
            attached = await store.attached(connection, [p.id for p in found.values()])
        return [
            messages.payment_to_proto(
                payment,
                session,
                refunds=attached.refunds.get(payment.id, ()),
                disputed=payment.id in attached.disputed,
            )
            for payment in found.values()
        ]

    async def started(
        self, session: Session, order: Order, claimed: Payment | None
    ) -> pb.Payment | None:
        """Return the payment of a new order with what its client needs to pay, None if it is not paid here.

        `claimed` is the payment if it was recorded a moment ago. If the payment provider can't be reached,
        what the client needs is missing, and it resumes the payment.
        """
        if not order.has_payment:
            return None
        if order.unpaid:
            payment = claimed or await self._of(order)
            first = claimed is not None and claimed.requested_at is not None
            try:
                return await self._resumed(session, payment, order if first else None)
            except Failure as failure:
                if failure.kind is Kind.REFUSED:
                    await self._payments.look(payment.id)  # fails the order
                episodes.record(
                    f"payments can't be started: {failure.reason}",
                    "the payment of order %s is not started yet: %s",
                    order.id,
                    failure,
                )
        [shown] = await self.shown(session, [order.id])
        return shown

    async def resume(self, session: Session, order: Order) -> pb.Payment:
        """Return the payment of an unpaid order with a fresh secret, always of the same intent.

        Raises Failure REFUSED (ORDER_WITHOUT_PAYMENT, PAYMENT_NOT_OPEN), and UNAVAILABLE.
        """
        if not order.has_payment:
            raise without_payment()
        payment = await self._of(order)
        if not order.unpaid or payment.state is not PaymentState.AWAITING:
            raise not_open()
        return await self.resumed(session, payment)

    async def resumed(self, session: Session, payment: Payment) -> pb.Payment:
        """Return a payment with what its client needs to pay, if it is unpaid."""
        return await self._resumed(session, payment, None)

    async def _resumed(self, session: Session, payment: Payment, new: Order | None) -> pb.Payment:
        """Do what `resumed` does; `new` is the order if it was claimed with this payment a moment ago."""
        if payment.state is not PaymentState.AWAITING:
            return messages.payment_to_proto(payment, session)
        if new is None:
            started = await self._starts.start(payment)
        else:
            started = await self._starts.first(payment, new)
        if _moved_on(started):
            # It was paid or has ended, and its event is still to come: act on that now, and return the
            # result.
            await self._payments.look(payment.id)
            async with self._database.system() as connection:
                now = await store.get(connection, payment.id)
            return messages.payment_to_proto(now or payment, session)
        return messages.payment_to_proto(
            started.payment,
            session,
            client_secret=started.client_secret,
            redirect_url=started.redirect_url,
        )

    async def _of(self, order: Order) -> Payment:
        async with self._database.system() as connection:
            payment = await store.of_order(connection, order.id)
        if payment is None:
            raise without_payment()
        return payment


def _moved_on(started: Started) -> bool:
    intent = started.intent
    return intent is not None and intent.state in MOVED_ON
