"""Lets an order be bought whose payment stands: gives it to a run, which starts after the commit."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

from kit.db.database import Connection, after_commit
from services.orders.order import Order
from services.orders.payment import Payment
from services.orders.payments import order_store

Begin = Callable[[Order, UUID, Payment], None]


class Buying:
    """Starts purchases by `begin`, with a lease of that length."""

    def __init__(self, begin: Begin, lease: timedelta) -> None:
        self._begin = begin
        self._lease = lease

    async def buy(
        self, connection: Connection, payment: Payment, *, event: str, actor: str, note: str = ""
    ) -> None:
        """Let the order of a payment be bought, unless it does not wait for that any more."""
        if payment.order_id is None:
            raise ValueError(f"payment {payment.id} is no payment of an order")
        run = uuid4()
        claimed = await order_store.claim(
            connection, payment.order_id, run, self._lease, event=event, actor=actor, note=note
        )
        if claimed is not None:
            after_commit(lambda: self._begin(claimed, run, payment))
