"""What a refund policy depends on: when orders were bought, and which bundles are installed or used."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection, Database
from kit.errors import Failure
from kit.logs.episodes import Episodes
from services.orders.esim_states import ESIMState
from services.orders.order import Order, OrderStatus
from services.orders.payment import Payment
from services.orders.payments import store
from services.orders.payments.policy import Item, Limit, Sold
from services.orders.payments.refunds import billed
from services.orders.peers import ESIMs

episodes = Episodes(logging.getLogger(__name__))

ENDED = (OrderStatus.CANCELLED, OrderStatus.REFUNDED)
# What was revoked and refunded before; one query for all orders. While a dispute is open, the payment
# provider refunds nothing to the card, not even the undisputed rest.
BEFORE = """
select o.id, coalesce(o.placed_at, o.created_at) as bought_at,
    coalesce(r.given, 0) as given, coalesce(r.revoked, 0)::int as revoked,
    coalesce(c.cancelled, 0) as cancelled, coalesce(d.withdrawn, 0) as withdrawn
from orders.esim_orders o
left join lateral (
    select sum(refund_percent) as given, count(*) as revoked from orders.order_revocations
    where order_id = o.id and state = 'REVOKED'
) r on true
left join lateral (
    select sum(amount) as cancelled from orders.refunds
    where order_id = o.id and reason = 'CANCELLED'
) c on true
left join lateral (
    select sum(case
        when d.closed_at is null and coalesce(p.policy ->> 'to', 'CARD') = 'CARD' then p.captured
        when d.currency = p.currency then d.amount
        else p.captured
    end) as withdrawn
    from orders.payments p join orders.disputes d on d.payment_id = p.id
    where p.order_id = o.id and (d.withdrawn or d.status = 'lost')
) d on true
where o.id = any($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Before:
    """What happened to an order before: `given` is a sum of percentages, the others are amounts.

    `withdrawn` is what can't go back now, where the order's policy sends it, because of disputes.
    """

    bought_at: datetime
    given: Decimal
    revoked: int
    cancelled: Decimal
    withdrawn: Decimal


@dataclass(frozen=True, slots=True)
class Known:
    """An order's payment with what a policy depends on."""

    payment: Payment
    sold: Sold
    cancelled: Decimal
    withdrawn: Decimal
    limit: Limit | None = None


async def before(connection: Connection, order_ids: Sequence[UUID]) -> dict[UUID, Before]:
    """Return what happened to orders before, by order."""
    rows = await connection.fetch(BEFORE, list(order_ids))
    return {
        row["id"]: Before(
            row["bought_at"], row["given"], row["revoked"], row["cancelled"], row["withdrawn"]
        )
        for row in rows
    }


class RefundFacts:
    """Reads the facts of many orders with two calls of the esims service, however many there are."""

    def __init__(self, database: Database, esims: ESIMs) -> None:
        self._database = database
        self._esims = esims

    async def of(self, orders: Sequence[Order]) -> dict[UUID, Known]:
        """Return the facts of orders by order, without those that are not paid here.

        The states of bundles are those that the esims service has stored.
        """
        paid = {order.id: order for order in orders if order.has_payment}
        async with self._database.system() as connection:
            payments = await store.of_orders(connection, list(paid))
            found = await before(connection, list(paid))
            statements = await billed.of_orders(connection, list(paid))
        limits = {order_id: one.limit(order_id) for order_id, one in statements.items()}
        delivered = [order for order in paid.values() if order.status is OrderStatus.COMPLETED]
        states = await self._states(delivered)
        return {
            order_id: replace(
                _known(paid[order_id], payment, found[order_id], states), limit=limits.get(order_id)
            )
            for order_id, payment in payments.items()
        }

    async def _states(self, orders: Sequence[Order]) -> Mapping[UUID, list[ESIMState]] | None:
        """Return the eSIMs of each order, None if the esims service can't be reached."""
        if not orders:
            return {}
        try:
            return await self._esims.states(orders)
        except Failure as failure:
            episodes.record(
                "the states of eSIMs are not known to refunds",
                "what can be refunded is not known: %s",
                failure,
            )
            return None


def _known(
    order: Order,
    payment: Payment,
    past: Before,
    states: Mapping[UUID, list[ESIMState]] | None,
) -> Known:
    items = None if states is None else _items(order, states.get(order.id, []), past.revoked)
    return Known(
        payment,
        Sold(past.bought_at, order.quantity, items, past.given, ended=order.status in ENDED),
        past.cancelled,
        past.withdrawn,
    )


def _items(order: Order, esims: Sequence[ESIMState], revoked: int) -> list[Item] | None:
    """Return the bundles that were not revoked; None if the esims service doesn't know any yet."""
    if not any(esim.used or esim.unused for esim in esims):
        return None if revoked < order.quantity else []
    if order.is_top_up:
        used, unused = sum(e.used for e in esims), sum(e.unused for e in esims)
        rest = order.quantity - revoked
        fresh = min(unused, rest)
        spent = Item(installed=False, used=used > 0, returnable=False)
        return [Item(installed=False, used=False)] * fresh + [spent] * (rest - fresh)
    left = [esim for esim in esims if esim.used or esim.unused]
    return [
        Item(esim.installed, used=esim.used > 0, returnable=not esim.used)
        for esim in left[: order.quantity - revoked]
    ]
