"""The forward path of a purchase: place, deliver, register, complete; each step commits on its own."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from kit.db import Connection, Database
from kit.errors import Failure, Kind
from services.orders import attempts, deliveries, order, store
from services.orders.datasource import OrdersDataSource
from services.orders.order import DeliveredESIM, OrderStatus, RecoveryPoint
from services.orders.peers import ESIMs
from services.orders.provider_order import ProviderOrder
from services.orders.settle import Settlement
from services.orders.work import Pause, Work, grown

logger = logging.getLogger(__name__)

# How often a call is made again of which surely nothing was sent, and the first pause (seconds,
# doubled each time): some 15 s in all, so that a restart of the provider fails nobody's purchase.
MOST_NOT_SENT = 5
FIRST_BACK_OFF = 1.0
# A claim that could not be placed for so long (the service was away) isn't what its buyer waits for
# any more: buying it now would surprise more than help.
CLAIM_LIFETIME = timedelta(hours=1)
# The provider's guide: usually at once, up to 10 minutes. Three times that is no delay any more.
DELIVERY_PATIENCE = timedelta(minutes=30)
# The provider's word for an order that is ready is documented, the others are not: after this time
# its eSIMs are asked for whatever it says.
ASK_ANYWAY = timedelta(minutes=1)
# Seconds between the attempts to record what the provider answered, when the database is away:
# the answer lives only in this process.
RECORD_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
# Kinds that surely bought nothing. Every other failure counts as unclear.
REFUSALS = frozenset({Kind.REFUSED, Kind.NOT_FOUND, Kind.INVALID})
NOT_SENT = frozenset({Kind.EXHAUSTED, Kind.UNAVAILABLE})


class Purchase:
    """Brings orders forward from whatever recovery point they are at."""

    def __init__(
        self,
        database: Database,
        datasource: OrdersDataSource,
        esims: ESIMs,
        settlement: Settlement,
    ) -> None:
        self._database = database
        self._datasource = datasource
        self._esims = esims
        self._settlement = settlement

    async def advance(self, work: Work) -> Pause | None:
        """Goes on until the order is finished (None) or has to wait.

        Whatever it raises, the order goes on from its last committed step.
        """
        while work.order.status is OrderStatus.PROCESSING:
            match work.order.recovery_point:
                case RecoveryPoint.CLAIMED:
                    pause = await self._place(work)
                case RecoveryPoint.ATTEMPTED:
                    pause = await self._settlement.settle(work)
                case RecoveryPoint.PLACED:
                    pause = await self._deliver(work)
                case RecoveryPoint.REGISTERED:
                    pause = await self._complete(work)
            if pause is not None:
                return pause
        return None

    async def _place(self, work: Work) -> Pause | None:
        if datetime.now(UTC) - work.order.created_at > CLAIM_LIFETIME:
            await work.step(
                "given up: claimed too long ago",
                status=OrderStatus.FAILED,
                reason=order.WORDS_NOT_REACHED,
            )
            return None
        async with self._database.system() as connection:
            attempt = await attempts.start(connection, work.order)
            await work.step(
                "asking the provider", point=RecoveryPoint.ATTEMPTED, connection=connection
            )
        try:
            answer = await self._datasource.create_order(
                work.order.bundle_name, work.order.quantity
            )
        except Failure as failure:
            return await self._not_placed(work, attempt, failure)
        if answer.total is not None and answer.total != work.order.total_price:
            logger.warning(
                "order %s was charged %s %s instead of %s",
                work.order.id,
                answer.total,
                answer.currency,
                work.order.total_price,
            )
        await self._record_placed(work, attempt, answer)
        return None

    async def _not_placed(self, work: Work, attempt: UUID, failure: Failure) -> Pause | None:
        detail = f"{failure.reason} {dict(failure.details)}"
        async with self._database.system() as connection:
            if failure.kind in REFUSALS:
                await attempts.end(connection, attempt, "REFUSED")
                await work.step(
                    "refused by the provider",
                    status=OrderStatus.FAILED,
                    reason=order.WORDS_NOT_SOLD,
                    detail=detail,
                    connection=connection,
                )
                return None
            if failure.kind not in NOT_SENT:
                await attempts.end(connection, attempt, "UNCLEAR")
                await work.step(
                    "outcome unclear",
                    reason=order.WORDS_UNCLEAR,
                    detail=detail,
                    connection=connection,
                )
                return None
            await attempts.end(connection, attempt, "NOT_SENT")
            tried = (await attempts.counts(connection, work.order.id))["NOT_SENT"]
            if tried >= MOST_NOT_SENT:
                await work.step(
                    "given up: the provider took no order",
                    status=OrderStatus.FAILED,
                    reason=order.WORDS_NOT_REACHED,
                    detail=detail,
                    connection=connection,
                )
                return None
            await work.step(
                "not sent",
                point=RecoveryPoint.CLAIMED,
                reason=order.WORDS_WAITING,
                detail=detail,
                connection=connection,
            )
            return Pause(max(failure.retry_after or 0.0, FIRST_BACK_OFF * 2 ** (tried - 1)))

    async def _record_placed(self, work: Work, attempt: UUID, answer: ProviderOrder) -> None:
        """Records the answer, patiently: until then only this process knows of the payment."""
        for pause in (*RECORD_PAUSES, None):
            try:
                async with self._database.system() as connection:
                    await attempts.end(connection, attempt, "PLACED")
                    if await store.owned_references(connection, [answer.reference]):
                        await self._review(
                            work, f"{answer.reference} is another order's too", connection
                        )
                        return
                    await store.record_reference(
                        connection, work.order, answer.reference, answer.total, answer.currency
                    )
                    words = order.WORDS_DELIVERY
                    if _complete_delivery(answer.esims, work.order.quantity):
                        await deliveries.record(connection, work.order, answer.esims)
                        words = ""
                    placed = replace(work)
                    await placed.step(
                        "placed", point=RecoveryPoint.PLACED, reason=words, connection=connection
                    )
            except (Failure, TimeoutError):
                logger.exception(
                    "order %s is placed as %s, and that could not be recorded",
                    work.order.id,
                    answer.reference,
                )
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                work.order = placed.order
                return

    async def _deliver(self, work: Work) -> Pause | None:
        async with self._database.system() as connection:
            esims = await deliveries.of_order(connection, work.order.id)
            age = await store.placed_ago(connection, work.order.id)
        if not esims:
            found = await self._fetch(work, age)
            if isinstance(found, Pause):
                return found
            if not found:
                return None
            async with self._database.system() as connection:
                await deliveries.record(connection, work.order, found)
                await work.step("delivered", connection=connection)
            esims = found
        return await self._register(work, esims, age)

    async def _fetch(self, work: Work, age: timedelta) -> list[DeliveredESIM] | Pause:
        """All eSIMs of a placed order, a pause while they are prepared, [] when it went to review."""
        reference = work.order.provider_reference or ""
        detail = ""
        try:
            placed = await self._datasource.get_order(reference)
            if placed.failed:
                await self._review(work, f"the provider says {placed.status!r} of {reference}")
                return []
            if _complete_delivery(placed.esims, work.order.quantity):
                return list(placed.esims)
            if not placed.completed and age < ASK_ANYWAY:
                return await self._prepared(work, age)
            found = await self._datasource.get_order_assignments(reference)
            if _complete_delivery(found, work.order.quantity):
                return found
        except Failure as failure:
            detail = f"{failure.reason} {dict(failure.details)}"
        if age > DELIVERY_PATIENCE:
            await self._review(work, f"no eSIMs for {reference}: {detail}")
            return []
        return await self._prepared(work, age)

    async def _prepared(self, work: Work, age: timedelta) -> Pause:
        await work.explain(order.WORDS_DELIVERY)
        return grown(age, 0.5, 30)

    async def _register(
        self, work: Work, esims: list[DeliveredESIM], age: timedelta
    ) -> Pause | None:
        try:
            await self._esims.register(work.order, esims)
        except Failure as failure:
            if failure.kind in (Kind.CONFLICT, Kind.INVALID, Kind.REFUSED):
                await self._review(work, f"eSIMs not registered: {failure}")
                return None
            logger.warning("eSIMs of order %s not registered yet: %s", work.order.id, failure)
            await work.explain(order.WORDS_REGISTERING)
            return grown(age, 1, 15)
        async with self._database.system() as connection:
            await deliveries.record_registered(connection, work.order.id)
            await work.step("registered", point=RecoveryPoint.REGISTERED, connection=connection)
        return None

    async def _complete(self, work: Work) -> Pause | None:
        await work.step("completed", status=OrderStatus.COMPLETED, reason="")
        return None

    async def _review(
        self, work: Work, detail: str, connection: "Connection | None" = None
    ) -> None:
        logger.error("order %s needs an operator: %s", work.order.id, detail)
        await work.step(
            "needs review",
            status=OrderStatus.NEEDS_REVIEW,
            reason=order.WORDS_REVIEW,
            detail=detail,
            connection=connection,
        )


def _complete_delivery(esims: tuple[DeliveredESIM, ...] | list[DeliveredESIM], wanted: int) -> bool:
    return len(esims) >= wanted and all(esim.installable for esim in esims)
