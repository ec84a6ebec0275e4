"""What customers get back of orders that are cancelled: checked before, and recorded with the last step."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from services.orders.budgets import reserve as budgets
from services.orders.cancellation.revocation import Revocation
from services.orders.customer_store import ERASED_CUSTOMER
from services.orders.order import Order
from services.orders.order import Refund as ProviderRefund
from services.orders.payment import Payment, PaymentMethod, RefundDestination, RefundReason
from services.orders.payments import store
from services.orders.payments.disputes import store as disputes
from services.orders.payments.policy import (
    Item,
    Refundable,
    RefundPolicy,
    Shortfall,
    Sold,
    credited,
    due,
    refundable,
)
from services.orders.payments.refunds import billed, keys, refund_facts, refund_store
from services.orders.payments.refunds.refund import Refunding, locked
from services.orders.payments.refunds.shares import left, shares, to_card
from services.orders.peers import ESIMs

logger = logging.getLogger(__name__)

ACTOR = "cancellation"
NONE = Decimal(0)
# For the staff: everything of what is revoked, whatever the policy says.
GENEROUS = RefundPolicy(None, only_if_not_installed=False, only_if_unused=False)


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What a finished cancellation gives back; `whole` if the customer has everything back then."""

    amount: Decimal
    whole: bool


class CancelledRefunds:
    """Applies the refund policy of orders to their cancellation."""

    def __init__(self, database: Database, esims: ESIMs, refunding: Refunding) -> None:
        self._database = database
        self._esims = esims
        self._refunding = refunding

    async def check(
        self, order: Order, bundles: Sequence[Revocation], *, by_staff: bool
    ) -> list[Revocation]:
        """Return bundles that are about to be revoked, with how much of their price goes back.

        Raises Failure REFUSED (ORDER_NOT_REFUNDABLE) if a customer would get nothing back.
        """
        if not order.has_payment:
            return list(bundles)
        offer, revocations = await self.offer(order, bundles, by_staff=by_staff)
        if not offer.amount and not by_staff:
            raise not_refundable(offer)
        return revocations

    async def offer(
        self, order: Order, bundles: Sequence[Revocation], *, by_staff: bool
    ) -> tuple[Refundable, list[Revocation]]:
        """Return what revoking these bundles of a paid order gives back, in all and of each."""
        async with self._database.system() as connection:
            payment = await store.of_order(connection, order.id)
            past = (await refund_facts.before(connection, [order.id]))[order.id]
            statement = (await billed.of_orders(connection, [order.id])).get(order.id)
        if payment is None:
            raise LookupError(f"order {order.id} has no payment")
        policy = GENEROUS if by_staff else RefundPolicy.from_json(payment.policy)
        asked = policy.only_if_not_installed and not order.is_top_up
        installed = await self._esims.installed(order.id) if asked else frozenset()
        items = [Item(one.iccid in installed, used=one.used) for one in bundles]
        sold = Sold(past.bought_at, order.quantity, items, past.given)
        limit = None if statement is None else statement.limit(order.id)
        found = refundable(
            policy,
            payment,
            sold,
            self._database.now(),
            cancelled=past.cancelled,
            withdrawn=past.withdrawn,
            limit=limit,
        )
        if by_staff and limit is not None and found.reason is Shortfall.CREDITED:
            found = replace(found, amount=limit.amount)
        percents = [policy.percent(item) if found.amount else NONE for item in items]
        return found, [
            replace(one, refund_percent=percent)
            for one, percent in zip(bundles, percents, strict=True)
        ]

    async def reserve(self, connection: Connection, order: Order, *, by_staff: bool) -> None:
        """Check that what a cancellation will give back can still go back of the order's statement.

        The caller has just recorded the cancellation, in the same transaction: from its commit on, no credit
        note and no refund of another order takes the amount. Raises Failure REFUSED (ORDER_NOT_REFUNDABLE);
        to the staff it gives back what is left.
        """
        payment = await store.of_order(connection, order.id) if order.has_payment else None
        if payment is None:
            return
        statement = await billed.locked(connection, payment, order.id)
        if statement is None or by_staff:
            return
        limit = statement.limit(order.id)
        if statement.cancelling[order.id] > limit.amount:
            raise not_refundable(credited(limit))

    async def give(
        self, connection: Connection, order: Order, revocations: Sequence[Revocation]
    ) -> GivenBack | None:
        """Record what the revoked bundles of an order give back; None if it is not paid here.

        `revocations` are all of the order's. Committed with the last step of the cancellation.
        """
        if not order.has_payment:
            returned = sum(one.refund is ProviderRefund.BALANCE for one in revocations)
            await budgets.give_back(connection, order.id, returned, order.quantity)
            return None
        known = await store.of_order(connection, order.id)
        if known is None:
            raise LookupError(f"order {order.id} has no payment")
        order_row, payment = await locked(connection, order.id, known.id)
        revoked = [one for one in revocations if one.state == "REVOKED"]
        percents = sum((one.refund_percent or NONE for one in revoked), NONE)
        before = await refund_store.cancelled(connection, payment.id)
        whole = due(payment.captured, percents, order.quantity, payment.currency)
        withdrawn = await disputes.withdrawn(connection, payment.id)
        amount = min(left(payment, withdrawn), max(whole - before, NONE))
        statement = await billed.locked(connection, payment, order.id)
        if statement is not None:
            amount = min(amount, statement.left_for(order.id))
        amount = _possible(payment, amount, withdrawn)
        if amount:
            # An earlier cancellation may have revoked the same bundles, and given back less than their price,
            # because a dispute had withdrawn the rest. So `before` is in the key.
            recorded = await self._refunding.record(
                connection,
                payment,
                order_row,
                shares(payment, amount, _destination(payment), withdrawn=withdrawn),
                RefundReason.CANCELLED,
                key=keys.of_cancellation(len(revoked), before),
                actor=ACTOR,
            )
            amount = refund_store.amounts(recorded)
        everything = bool(payment.captured) and payment.refunded + amount == payment.captured
        return GivenBack(amount, everything)


def _destination(payment: Payment) -> RefundDestination | None:
    """Return where the policy sends the money; None is back to where it came from."""
    if payment.method is PaymentMethod.INVOICE:
        return None
    to = RefundPolicy.from_json(payment.policy).to
    erased = payment.wallet_owner == ERASED_CUSTOMER
    return RefundDestination.WALLET if to is RefundDestination.WALLET and not erased else None


def _possible(payment: Payment, amount: Decimal, withdrawn: Decimal) -> Decimal:
    """Return what can go back: an erased customer has a card, but no wallet."""
    if payment.wallet_owner != ERASED_CUSTOMER:
        return amount
    possible = to_card(payment, amount, withdrawn)
    if possible < amount:
        logger.error(
            "%s of order %s can't go back, as its customer was erased",
            amount - possible,
            payment.order_id,
        )
    return possible


def not_refundable(offer: Refundable) -> Failure:
    """Return the refusal of a cancellation that would give nothing back."""
    why = offer.reason.value if offer.reason else ""
    what, mark, to_do = offer.message.partition("; ")
    return Failure(
        Kind.REFUSED,
        "ORDER_NOT_REFUNDABLE",
        f"{what}, so it was not cancelled{mark}{to_do}",
        details={"policy_reason": why},
    )
