"""Changes of payments that move money, with the wallet and the ledger in the same transaction."""

from dataclasses import replace
from datetime import timedelta

from kit.db.database import Connection, after_commit
from services.orders.books import postings
from services.orders.books import store as books
from services.orders.books.posting import Posting
from services.orders.order import Order
from services.orders.payment import Payment, PaymentState
from services.orders.payments import state_store
from services.orders.payments.metrics import PaymentMetrics
from services.orders.payments.port import Intent
from services.orders.payments.wallets import wallet_store

ACTOR = "payment"


class Taking:
    """Records changes of payments. The caller has locked the order, and commits."""

    def __init__(self, metrics: PaymentMetrics) -> None:
        self._metrics = metrics

    async def authorized(
        self,
        connection: Connection,
        payment: Payment,
        intent: Intent,
        held_reason: str,
        due_in: timedelta,
    ) -> Payment | None:
        """Record that the amount is held; None if the payment does not await that any more."""
        changed = await state_store.authorize(
            connection,
            payment.id,
            PaymentState.AUTHORIZED,
            intent=intent,
            held_reason=held_reason,
            due_in=due_in,
        )
        return self._counted(changed)

    async def paid(
        self,
        connection: Connection,
        payment: Payment,
        intent: Intent | None,
        *,
        held_reason: str = "",
        reference: str = "",
        actor: str = ACTOR,
    ) -> Payment | None:
        """Record that an unpaid payment was taken at once; None if it is not unpaid any more."""
        changed = await state_store.authorize(
            connection,
            payment.id,
            PaymentState.PAID,
            intent=intent,
            held_reason=held_reason,
            reference=reference,
        )
        await self._took(connection, changed, actor)
        return self._counted(changed)

    async def taken_early(
        self,
        connection: Connection,
        payment: Payment,
        *,
        charge_id: str | None = None,
        detail: str | None = None,
        reference: str | None = None,
        actor: str = ACTOR,
    ) -> Payment | None:
        """Record that a held or released payment was taken before the order is delivered."""
        changed = await state_store.change(
            connection,
            payment,
            PaymentState.PAID,
            charge_id=charge_id,
            detail=detail,
            reference=reference,
            due_in=timedelta(),
        )
        await self._took(connection, changed, actor)
        return self._counted(changed)

    async def captured(
        self, connection: Connection, payment: Payment, order: Order, charge_id: str | None
    ) -> Payment | None:
        """Record that a delivered order is paid, and post its sale and cost."""
        changed = await state_store.change(
            connection, payment, PaymentState.CAPTURED, charge_id=charge_id
        )
        if changed is None:
            return None
        await books.post(
            connection,
            await self._debited(connection, changed, ACTOR),
            postings.sold(order, paid_here=True, payment_id=changed.id),
            postings.cost(order),
            actor=ACTOR,
        )
        return self._counted(changed)

    async def released(
        self,
        connection: Connection,
        payment: Payment,
        *,
        detail: str | None = None,
        keep_wallet: bool = False,
        due_in: timedelta | None = None,
    ) -> Payment | None:
        """Record that nothing is held any more; `keep_wallet` leaves what the wallet holds for the order."""
        changed = payment
        if payment.state is not PaymentState.RELEASED:
            found = await state_store.change(
                connection,
                payment,
                PaymentState.RELEASED,
                detail=detail,
                due_in=due_in,
            )
            if found is None:
                return None
            changed = found
            self._counted(changed)
        if payment.wallet_amount and not keep_wallet and not payment.captured:
            await wallet_store.release(connection, payment.id, ACTOR)
        return changed

    async def _took(self, connection: Connection, payment: Payment | None, actor: str) -> None:
        if payment is None:
            return
        await books.post(connection, await self._debited(connection, payment, actor), actor=actor)

    async def _debited(
        self, connection: Connection, payment: Payment, actor: str
    ) -> Posting | None:
        """Debit what the wallet holds for a payment that was taken; return what to post."""
        hold = None
        if payment.wallet_amount:
            hold = await wallet_store.debit(connection, payment.id, actor)
        return postings.taken(payment, hold.wallet_id if hold else None)

    def _counted(self, payment: Payment | None) -> Payment | None:
        if payment is not None:
            counted = replace(payment)
            after_commit(lambda: self._metrics.changed(counted.state, counted.method))
        return payment
