"""Previews what could be cancelled of an order now, and what would be refunded."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from kit.errors import Failure, Kind
from kit.values import currencies
from providers.esim_go.client import Priority
from services.orders.cancellation.check import check_cancellable
from services.orders.cancellation.examine import Choice, Examination
from services.orders.cancellation.give_back import CancelledRefunds, not_refundable
from services.orders.order import DeliveredESIM, Order, OrderStatus, Refund
from services.orders.provider.provider_order import MAX_PLACES

logger = logging.getLogger(__name__)


class Extent(StrEnum):
    """How much of an order can be cancelled; UNKNOWN if the provider did not answer in time."""

    WHOLE = "WHOLE"
    UNUSED_PART = "UNUSED_PART"
    NOTHING = "NOTHING"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Offer:
    """What CancelOrder would do; `code` and `message` say why the whole order can't be cancelled.

    `refund` is what the customer of a paid order gets back, None if it is not paid here.
    """

    extent: Extent
    code: str = ""
    message: str = ""
    choices: Sequence[Choice] = field(default=())
    refund: Decimal | None = None

    def refunded(self, order: Order) -> Decimal:
        """Return what the customer gets back, in the order's currency."""
        if self.refund is not None:
            return self.refund
        to_balance = sum(choice.refund is Refund.BALANCE for choice in self.choices)
        share = order.total_price * to_balance / order.quantity
        if order.fixed_price:
            return currencies.rounded(share, order.currency)
        return round(share, MAX_PLACES)


# Orders that are examined at a time: each takes two to thirty calls of the provider.
MAX_CONCURRENT = 5
LATE = Offer(
    Extent.UNKNOWN,
    "DEADLINE_EXCEEDED",
    "The provider did not answer in time; try again, for fewer orders at once",
)
UNREADABLE = Offer(
    Extent.UNKNOWN,
    "INTERNAL",
    "It is not known at the moment what can be cancelled of this order; try again later",
)
ENDED = Offer(Extent.NOTHING, "ORDER_CANCELLED", "This order has already been cancelled")
UNDER_WAY = Offer(
    Extent.NOTHING,
    "CANCELLATION_UNDER_WAY",
    "This order is being cancelled; check its status again soon",
)
# Nothing was bought, so it can be cancelled without the provider.
UNPAID = Offer(Extent.WHOLE)


class Previews:
    """Computes offers by the rules of Cancellation, with reads and validations only."""

    def __init__(self, examination: Examination, refunds: CancelledRefunds) -> None:
        self._examination = examination
        self._refunds = refunds
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)

    async def offers(
        self,
        orders: Mapping[UUID, tuple[Order, Sequence[DeliveredESIM]]],
        seconds: float,
        *,
        by_staff: bool = False,
    ) -> dict[UUID, Offer]:
        """Return an offer for each order; UNKNOWN for those whose answer takes longer than `seconds`."""
        tasks = {
            order_id: asyncio.create_task(self._offer(order, esims, by_staff=by_staff))
            for order_id, (order, esims) in orders.items()
        }
        try:
            if tasks:
                await asyncio.wait(tasks.values(), timeout=seconds)
        finally:
            late = [task for task in tasks.values() if not task.done()]
            for task in late:
                task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return {id_: LATE if task in late else task.result() for id_, task in tasks.items()}

    async def _offer(
        self, order: Order, esims: Sequence[DeliveredESIM], *, by_staff: bool
    ) -> Offer:
        """Return the offer for one order; never raises, so that one order does not fail the others."""
        if order.status in (OrderStatus.CANCELLED, OrderStatus.REFUNDED):
            return ENDED
        if order.cancel_requested_at is not None:
            return UNDER_WAY
        if order.unpaid:
            return UNPAID
        try:
            check_cancellable(order)
            async with self._slots:
                offer = await self._examined(order, esims)
                return await self._with_refund(order, offer, by_staff=by_staff)
        except Failure as failure:
            extent = Extent.NOTHING if failure.kind is Kind.REFUSED else Extent.UNKNOWN
            return Offer(extent, failure.reason, failure.message)
        except Exception:
            logger.exception("the cancellation of order %s could not be previewed", order.id)
            return UNREADABLE

    async def _examined(self, order: Order, esims: Sequence[DeliveredESIM]) -> Offer:
        held = await self._examination.held(order, esims, await self._examination.revoked(order))
        try:
            choices = await self._examination.choose(held.whole(), Priority.READ)
        except Failure as failure:
            if failure.kind is not Kind.REFUSED:
                raise
            part = await self._examination.choose(held.unused(), Priority.READ)
            return Offer(Extent.UNUSED_PART, failure.reason, failure.message, part)
        return Offer(Extent.WHOLE, choices=choices)

    async def _with_refund(self, order: Order, offer: Offer, *, by_staff: bool) -> Offer:
        """Apply the refund policy of a paid order, as the cancellation does."""
        if not order.has_payment:
            return offer
        revocations = [choice.revocation for choice in offer.choices]
        found, _ = await self._refunds.offer(order, revocations, by_staff=by_staff)
        if not found.amount and not by_staff:
            raise not_refundable(found)
        return replace(offer, refund=found.amount)
