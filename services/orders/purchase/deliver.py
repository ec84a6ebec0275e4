"""Fetches the eSIMs of a placed order, and registers them at the esims service."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from services.orders import delivery_store, status_reasons
from services.orders.datasource import OrdersDataSource
from services.orders.order import (
    DeliveredESIM,
    Order,
    OrderStatus,
    RecoveryPoint,
    is_complete,
)
from services.orders.peers import ESIMs
from services.orders.purchase.complete import complete
from services.orders.traveler import Traveler
from services.orders.work import Pause, Work, growing_pause

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# An order goes to review after this time without eSIMs: three times what the provider's guide allows.
MAX_DELIVERY_TIME = timedelta(minutes=30)
# After this time the eSIMs are fetched regardless of the order's status, because `completed` is the only
# status that the provider documents.
FETCH_ANYWAY = timedelta(minutes=1)
# The step after which the esims service has the eSIMs.
REGISTERED = "registered"


async def record(connection: Connection, order: Order, esims: Sequence[DeliveredESIM]) -> None:
    """Record a complete delivery, and whether it is on another eSIM than the requested one; repeatable."""
    await delivery_store.record(connection, order, esims)
    if _is_reassigned(order, esims):
        await delivery_store.record_reassigned(connection, order.id)


def _is_reassigned(order: Order, esims: Sequence[DeliveredESIM]) -> bool:
    return order.needs_new_esim and all(esim.iccid != order.target_iccid for esim in esims)


async def send_to_review(work: Work, detail: str, connection: "Connection | None" = None) -> None:
    """Send the order to review; `detail` is for operators."""
    logger.error("order %s needs an operator: %s", work.order.id, detail)
    await work.step(
        "needs review",
        status=OrderStatus.NEEDS_REVIEW,
        reason=status_reasons.MESSAGE_REVIEW,
        detail=detail,
        connection=connection,
    )


class Delivery:
    """Advances an order from PLACED to REGISTERED, and completes one without a payment."""

    def __init__(self, database: Database, datasource: OrdersDataSource, esims: ESIMs) -> None:
        self._database = database
        self._datasource = datasource
        self._esims = esims

    async def deliver(self, work: Work) -> Pause | None:
        """Fetch and register the order's eSIMs; return a pause while the provider prepares them."""
        esims, age = list(work.delivered), timedelta()
        if not esims:
            async with self._database.system() as connection:
                esims = await delivery_store.of_order(connection, work.order.id)
                age = await delivery_store.placed_ago(connection, work.order.id)
        known = bool(esims)
        if not known:
            found = await self._fetch(work, age)
            if isinstance(found, Pause):
                return found
            if not found:
                return None
            esims = found
        # A callback records eSIMs, but not that they are other ones than the requested one.
        if not known or (_is_reassigned(work.order, esims) and not work.order.reassigned):
            async with self._database.system() as connection:
                await record(connection, work.order, esims)
                await work.step("delivered", connection=connection)
        bound = work.order.bound_iccid
        if bound is not None and [esim.iccid for esim in esims] != [bound]:
            await send_to_review(
                work,
                f"{work.order.provider_reference} was delivered on another eSIM than the requested one",
            )
            return None
        return await self._register(work, esims, age)

    async def _fetch(self, work: Work, age: timedelta) -> list[DeliveredESIM] | Pause:
        """Return all eSIMs of a placed order, a pause while they are prepared, or [] if it went to review."""
        reference = work.order.provider_reference or ""
        detail = ""
        try:
            placed = await self._datasource.get_order(reference, priority=work.priority)
            if placed.failed:
                await send_to_review(
                    work, f"the provider reports the status {placed.status!r} of {reference}"
                )
                return []
            found = list(placed.esims)
            if not is_complete(work.order, found):
                if not placed.completed and age < FETCH_ANYWAY:
                    return await self._wait(work, age)
                found = await self._datasource.get_order_assignments(
                    reference, priority=work.priority
                )
            if is_complete(work.order, found):
                return found
            if work.order.bound_iccid is None and len(found) > work.order.quantity:
                # Some of them may be another customer's.
                await send_to_review(work, f"{reference} was delivered with too many eSIMs")
                return []
        except Failure as failure:
            detail = failure.summary
        if age > MAX_DELIVERY_TIME:
            await send_to_review(work, f"no eSIMs for {reference}: {detail}")
            return []
        return await self._wait(work, age)

    async def _wait(self, work: Work, age: timedelta) -> Pause:
        await work.explain(status_reasons.MESSAGE_DELIVERY)
        return growing_pause(age, 0.5, 30)

    async def _travelers(self, work: Work) -> dict[str, Traveler]:
        if not work.order.in_batch:
            return {}
        async with self._database.system() as connection:
            return await delivery_store.travelers(connection, work.order.id)

    async def _register(
        self, work: Work, esims: list[DeliveredESIM], age: timedelta
    ) -> Pause | None:
        try:
            await self._esims.register(work.order, esims, await self._travelers(work))
        except Failure as failure:
            if failure.kind in (Kind.CONFLICT, Kind.INVALID, Kind.REFUSED):
                await send_to_review(work, f"eSIMs not registered: {failure}")
                return None
            episodes.record(
                "eSIMs of orders are not registered yet",
                "eSIMs of order %s not registered yet: %s",
                work.order.id,
                failure,
            )
            await work.explain(status_reasons.MESSAGE_REGISTERING)
            return growing_pause(age, 1, 15)
        if work.order.has_payment:
            await work.step(REGISTERED, point=RecoveryPoint.REGISTERED)
        else:
            # Without a payment to take, nothing outside of this database comes between the two steps.
            await complete(work, after=[REGISTERED], point=RecoveryPoint.REGISTERED)
        return None
