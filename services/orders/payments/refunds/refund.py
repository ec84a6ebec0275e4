"""Records refunds, and their outcomes with the wallet and the ledger in the same transaction."""

import logging
from dataclasses import replace
from uuid import UUID

from kit.db.database import Connection, after_commit
from services.orders import status_reasons
from services.orders.books import postings
from services.orders.books import store as books
from services.orders.order import Order
from services.orders.payment import Payment, Refund, RefundDestination, RefundReason, RefundState
from services.orders.payments import order_store, state_store
from services.orders.payments.disputes import lost
from services.orders.payments.metrics import RefundMetrics
from services.orders.payments.refunds import billed, refund_store
from services.orders.payments.refunds.shares import Shares
from services.orders.payments.wallets import wallet_store

logger = logging.getLogger(__name__)

ALREADY_REFUNDED = "PAYMENT_ALREADY_REFUNDED"
# For failures after which the customer could get the amount twice if it was refunded in another way.
ADVICE = {
    "PAYMENT_DISPUTED": "wait until the dispute is decided",
    ALREADY_REFUNDED: "it was refunded at the payment provider: pay nothing back, and record that"
    " (`esimgo payments refund ORDER --to manual ...`)",
}


class Refunding:
    """Changes refunds. The caller commits, and has locked the order and the payment."""

    def __init__(self, metrics: RefundMetrics) -> None:
        self._metrics = metrics

    async def record(
        self,
        connection: Connection,
        payment: Payment,
        order: Order,
        shares: Shares,
        reason: RefundReason,
        *,
        key: str,
        actor: str,
        note: str = "",
    ) -> list[Refund]:
        """Record a refund; what goes to the wallet, or was paid back by hand, is settled at once.

        What goes to the card is made after the commit. Under a key that is in use nothing is recorded.
        """
        recorded = []
        for destination, amount in shares.items():
            refund = await refund_store.record(
                connection, payment, destination, amount, reason, key=key, actor=actor, note=note
            )
            if refund is None:
                continue
            if destination is not RefundDestination.CARD:
                refund = await self.succeeded(connection, refund, order, actor=actor) or refund
            recorded.append(refund)
        return recorded

    async def succeeded(
        self,
        connection: Connection,
        refund: Refund,
        order: Order,
        *,
        provider_id: str | None = None,
        actor: str,
    ) -> Refund | None:
        """Record that the customer has the money; None if the refund has another state by now."""
        changed = await refund_store.change(
            connection, refund, RefundState.SUCCEEDED, provider_id=provider_id
        )
        if changed is None:
            return None
        wallet_id: UUID | None = None
        if refund.destination is RefundDestination.WALLET:
            wallet_id = await wallet_store.get_or_create(
                connection, order.organization_id or refund.customer_id, refund.currency
            )
            await wallet_store.refund(
                connection, wallet_id, refund.amount, refund.payment_id, refund.id, actor
            )
        sold = await books.is_sold(connection, order.id)
        before = replace(
            await books.given_back(connection, refund.payment_id),
            tax_left=await billed.tax_left(connection, order),
            deposit=None if sold else await books.deposit(connection, order.id),
        )
        await books.post(
            connection,
            postings.refunded(changed, order, wallet_id, sold=sold, before=before),
            actor=actor,
        )
        return self._counted(changed)

    async def failed(
        self,
        connection: Connection,
        refund: Refund,
        *,
        failure: str,
        provider_id: str | None = None,
        actor: str,
    ) -> Refund | None:
        """Record that a refund failed: its amount can be refunded again, unless a dispute gave it back.

        If it had succeeded, that is reversed.
        """
        changed = await refund_store.change(
            connection, refund, RefundState.FAILED, provider_id=provider_id, failure=failure
        )
        if changed is None:
            return None
        posted = await books.posted(connection, [f"refund:{refund.id}"])
        for _, entries in posted.values():
            await books.post(connection, postings.refund_failed(changed, entries), actor=actor)
        await lost.settle_deposit(connection, refund.payment_id, actor)
        given = failure == ALREADY_REFUNDED  # so that the message to the customer is right
        if changed.reason is RefundReason.CANCELLED and changed.order_id is not None and not given:
            message = status_reasons.MESSAGE_REFUND_FAILED
            await order_store.explain_refund(connection, changed.order_id, message)
        logger.error(
            "the refund %s of order %s failed (%s): %s",
            refund.id,
            refund.order_id,
            failure,
            ADVICE.get(failure, "refund it in another way"),
        )
        return self._counted(changed)

    async def pending(
        self, connection: Connection, refund: Refund, provider_id: str
    ) -> Refund | None:
        """Record that the payment provider has accepted a refund."""
        changed = await refund_store.change(
            connection, refund, RefundState.PENDING, provider_id=provider_id
        )
        return self._counted(changed)

    def _counted(self, refund: Refund | None) -> Refund | None:
        if refund is not None:
            counted = refund
            after_commit(lambda: self._metrics.changed(counted.state))
        return refund


async def locked(connection: Connection, order_id: UUID, payment_id: UUID) -> tuple[Order, Payment]:
    """Return an order and its payment, both locked until the transaction ends."""
    order = await refund_store.lock_order(connection, order_id)
    payment = await state_store.lock(connection, payment_id)
    if order is None or payment is None:
        raise LookupError(f"order {order_id} has no payment {payment_id}")
    return order, payment
