"""Previews what could be cancelled of an order now, and what would be refunded."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from kit.errors import Failure, Kind
from kit.values import currencies
from providers.esim_go.client import Priority
from services.orders.cancellation.check import check_cancellable
from services.orders.cancellation.examine import Choice, Examination
from services.orders.order import DeliveredESIM, Order, OrderStatus, Refund
from services.orders.provider_order import MAX_PLACES

logger = logging.getLogger(__name__)


class Extent(StrEnum):
    """How much of an order can be cancelled; UNKNOWN if the provider did not answer in time."""

    WHOLE = "WHOLE"
    UNUSED_PART = "UNUSED_PART"
    NOTHING = "NOTHING"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Offer:
    """What CancelOrder would do; `code` and `message` say why the whole order can't be cancelled."""

    extent: Extent
    code: str = ""
    message: str = ""
    choices: Sequence[Choice] = field(default=())

    def refunded(self, order: Order) -> Decimal:
        """Return the refund to the balance, in the order's currency."""
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
    "It could not be determined what can be cancelled of this order; try again later",
)
ENDED = Offer(Extent.NOTHING, "ORDER_CANCELLED", "This order has already been cancelled")
UNDER_WAY = Offer(
    Extent.NOTHING,
    "CANCELLATION_UNDER_WAY",
    "This order is being cancelled; check its status again soon",
)


class Previews:
    """Computes offers by the rules of Cancellation, with reads and validations only."""

    def __init__(self, examination: Examination) -> None:
        self._examination = examination
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)

    async def offers(
        self, orders: Mapping[UUID, tuple[Order, Sequence[DeliveredESIM]]], seconds: float
    ) -> dict[UUID, Offer]:
        """Return an offer for each order; UNKNOWN for those whose answer takes longer than `seconds`."""
        tasks = {
            order_id: asyncio.create_task(self._offer(order, esims))
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

    async def _offer(self, order: Order, esims: Sequence[DeliveredESIM]) -> Offer:
        """Return the offer for one order; never raises, so that one order does not fail the others."""
        if order.status in (OrderStatus.CANCELLED, OrderStatus.REFUNDED):
            return ENDED
        if order.cancel_requested_at is not None:
            return UNDER_WAY
        try:
            check_cancellable(order)
            async with self._slots:
                return await self._examined(order, esims)
        except Failure as failure:
            extent = Extent.NOTHING if failure.kind is Kind.REFUSED else Extent.UNKNOWN
            return Offer(extent, failure.reason, failure.message)
        except Exception:
            logger.exception("the cancellation of order %s could not be previewed", order.id)
            return UNREADABLE

    async def _examined(self, order: Order, esims: Sequence[DeliveredESIM]) -> Offer:
        held = await self._examination.held(order, esims)
        try:
            choices = await self._examination.choose(held.whole(), Priority.READ)
        except Failure as failure:
            if failure.kind is not Kind.REFUSED:
                raise
            part = await self._examination.choose(held.unused(), Priority.READ)
            return Offer(Extent.UNUSED_PART, failure.reason, failure.message, part)
        return Offer(Extent.WHOLE, choices=choices)
