"""Operators' actions on an order: show its history, resume it, or settle it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from providers.esim_go.client import Priority
from services.orders import status_reasons, store
from services.orders.datasource import OrdersDataSource
from services.orders.operators import history_store, paid
from services.orders.operators.history_store import PastAttempt, Step, Stuck
from services.orders.order import Order, OrderStatus, RecoveryPoint
from services.orders.payments import order_store
from services.orders.payments import store as payments
from services.orders.provider.provider_order import ProviderOrder
from services.orders.purchase import attempt_store
from services.orders.purchase.charges import Charges
from services.orders.recovery.recover import Recovery
from services.orders.status_reasons import FailureReason


class Resolution(StrEnum):
    """An operator's finding about an order in review."""

    PLACED_AS = "placed_as"
    NOT_BOUGHT = "not_bought"
    PAID_BACK = "paid_back"


@dataclass(frozen=True, slots=True)
class History:
    """The history of an order; `owners` maps candidates to the orders here that own them."""

    stuck: Stuck
    attempts: list[PastAttempt]
    steps: list[Step]
    candidates: list[ProviderOrder]
    owners: dict[str, UUID]
    candidates_error: str


class Review:
    """Operators' actions, each recorded with its actor and note.

    `look` reads a payment from the payment provider, if that can be reached. `tolerance` is by how much the
    provider's clock may differ.
    """

    def __init__(
        self,
        database: Database,
        datasource: OrdersDataSource,
        recovery: Recovery,
        charges: Charges,
        look: Callable[[UUID], Awaitable[None]],
        *,
        tolerance: timedelta,
    ) -> None:
        self._database = database
        self._datasource = datasource
        self._recovery = recovery
        self._charges = charges
        self._look = look
        self._tolerance = tolerance

    @property
    def held_until(self) -> datetime | None:
        """The time until which calls to the provider are held back; None if they are not."""
        return self._datasource.held_until

    async def history(self, order_id: UUID) -> History:
        """Return the history; raises Failure NOT_FOUND. Without the provider, the candidates are missing."""
        stuck = await self._get(order_id)
        async with self._database.system() as connection:
            attempts = await history_store.list_attempts(connection, order_id)
            steps = await history_store.list_steps(connection, order_id)
        candidates: list[ProviderOrder] = []
        error = ""
        if attempts:
            try:
                candidates = await self._candidates(stuck.order, attempts)
            except Failure as failure:
                error = failure.message
        async with self._database.system() as connection:
            owners = await store.owners(connection, [c.reference for c in candidates])
        return History(stuck, attempts, steps, candidates, owners, error)

    async def _candidates(self, order: Order, attempts: list[PastAttempt]) -> list[ProviderOrder]:
        since = attempts[0].started_at - self._tolerance
        return [
            found
            for found in await self._datasource.get_orders(since, priority=Priority.READ)
            if (found.item, found.quantity) == (order.bundle_name, order.quantity)
        ]

    async def resume(self, order_id: UUID, actor: str, note: str) -> Stuck:
        """Continue work on the order now, from its recovery point.

        Raises Failure NOT_FOUND, and REFUSED: ORDER_NOT_STUCK for a finished order, ORDER_NOT_PAID if the
        customer's payment was released meanwhile, PAYMENT_REFUNDED and PAYMENT_DISPUTED if it was refunded
        or disputed.
        """
        stuck = await self._get(order_id)
        await self._look_at_hold(stuck.order)
        async with self._database.system() as connection:
            # Until this commits, the hold of its payment can't be released.
            await order_store.lock(connection, order_id)
            await paid.check(connection, stuck.order)
            resumed = await history_store.end_review(
                connection,
                stuck.order,
                status=OrderStatus.PROCESSING,
                point=stuck.order.recovery_point,
                message="",
                failure="",
                actor=actor,
                event="resumed",
                note=note,
            ) or await history_store.resume(connection, order_id, actor, note)
        if not resumed:
            raise Failure(
                Kind.REFUSED, "ORDER_NOT_STUCK", "This order is finished and can't be resumed"
            )
        self._recovery.start(order_id)
        return await self._get(order_id)

    async def resolve(
        self, order_id: UUID, resolution: Resolution, reference: str, actor: str, note: str
    ) -> Stuck:
        """Settle an order in review; `reference` is the provider's, for PLACED_AS.

        Raises Failure NOT_FOUND; REFUSED with ORDER_NOT_IN_REVIEW, RESOLUTION_DOES_NOT_FIT,
        REFERENCE_TAKEN, REFERENCE_MISMATCH, ORDER_NOT_PAID, PAYMENT_REFUNDED or PAYMENT_DISPUTED; and the
        provider's failure, if it can't be queried.
        """
        stuck = await self._get(order_id)
        _check_fits(stuck.order, resolution)
        placed: ProviderOrder | None = None
        if resolution is Resolution.PLACED_AS:
            await self._look_at_hold(stuck.order)
            async with self._database.system() as connection:
                await paid.check(connection, stuck.order)
            placed = await self._placed(stuck.order, reference)
        async with self._database.system() as connection:
            # So that no other order gets the reference at the same time.
            await attempt_store.lock(connection, stuck.order)
            if placed is not None:
                await order_store.lock(connection, order_id)
                await paid.check(connection, stuck.order)
            await self._settle(connection, stuck.order, resolution, placed, actor, note)
        if placed is not None:
            self._recovery.start(order_id)
        return await self._get(order_id)

    async def _look_at_hold(self, subject: Order) -> None:
        """Read the payment of an order in review, whose hold the payment provider may have ended."""
        if not subject.has_payment or subject.status is not OrderStatus.NEEDS_REVIEW:
            return
        async with self._database.system() as connection:
            payment = await payments.of_order(connection, subject.id)
        if payment is not None:
            await self._look(payment.id)

    async def _placed(self, order: Order, reference: str) -> ProviderOrder:
        """Return the provider's order, if this order can have placed it."""
        try:
            found = await self._datasource.get_order(reference, priority=Priority.READ)
        except Failure as failure:
            if failure.kind not in (Kind.REFUSED, Kind.NOT_FOUND):
                raise
            raise _mismatch("The provider has no order with this reference") from failure
        async with self._database.system() as connection:
            attempts = await history_store.list_attempts(connection, order.id)
        if (found.item, found.quantity) != (order.bundle_name, order.quantity):
            raise _mismatch(
                f"The provider's order is for {found.quantity} of {found.item}, this one for"
                f" {order.quantity} of {order.bundle_name}"
            )
        if not attempts or await self._is_older(found, order, attempts):
            raise _mismatch(
                "The provider's order is older than the first purchase attempt of this order"
            )
        target = order.bound_iccid
        if target is not None and found.iccids and target not in found.iccids:
            raise _mismatch(
                "The provider's order was delivered to another eSIM than the one this order"
                " requested"
            )
        return found

    async def _is_older(
        self, found: ProviderOrder, order: Order, attempts: list[PastAttempt]
    ) -> bool:
        since = attempts[0].started_at - self._tolerance
        if found.created_at is None or found.created_at >= since:
            return False
        # Its time may be wrong, such as a local one: then the provider lists it as newer.
        listed = await self._candidates(order, attempts)
        return found.reference not in {candidate.reference for candidate in listed}

    async def _settle(
        self,
        connection: Connection,
        subject: Order,
        resolution: Resolution,
        placed: ProviderOrder | None,
        actor: str,
        note: str,
    ) -> None:
        status, point, message = (
            OrderStatus.FAILED,
            subject.recovery_point,
            status_reasons.MESSAGE_NOT_BOUGHT,
        )
        failure, event = FailureReason.NOT_BOUGHT.value, "resolved: not bought"
        outcome = "ABSENT"
        if placed is not None:
            if await store.owners(connection, [placed.reference]):
                raise Failure(
                    Kind.REFUSED,
                    "REFERENCE_TAKEN",
                    "Another order here already has this reference, and one payment can't serve"
                    " two orders; check the reference",
                )
            status, point, message = OrderStatus.PROCESSING, RecoveryPoint.PLACED, ""
            failure, event, outcome = "", "resolved: placed", "PLACED"
        elif resolution is Resolution.PAID_BACK:
            message, event = status_reasons.MESSAGE_PAID_BACK, "resolved: paid back"
            failure = FailureReason.PAID_BACK.value
        await attempt_store.end_unclear(connection, subject.id, outcome)
        if placed is not None:
            charge = self._charges.judge(subject, placed)
            await store.record_placed(connection, subject, charge.placed, charge.detail)
            for step in charge.steps:
                await store.record_step(connection, subject, actor, step)
        settled = await history_store.end_review(
            connection,
            subject,
            status=status,
            point=point,
            message=message,
            failure=failure,
            actor=actor,
            event=event,
            note=note,
        )
        if not settled:
            raise _not_in_review()

    async def _get(self, order_id: UUID) -> Stuck:
        async with self._database.system() as connection:
            found = await history_store.get(connection, order_id)
        if found is None:
            raise Failure(
                Kind.NOT_FOUND, "ORDER_NOT_FOUND", "No order has this id; list the orders"
            )
        return found


def _check_fits(subject: Order, resolution: Resolution) -> None:
    """Raise Failure REFUSED unless the order is in review, and the resolution fits it."""
    if subject.status is not OrderStatus.NEEDS_REVIEW:
        raise _not_in_review()
    if subject.recovery_point is RecoveryPoint.REGISTERED:
        raise Failure(
            Kind.REFUSED,
            "RESOLUTION_DOES_NOT_FIT",
            "The eSIMs of this order are with its customer: record that it was paid with MarkOrderPaid"
            " (`esimgo payments mark-paid`), and resume it",
        )
    placed = subject.provider_reference is not None
    if placed != (resolution is Resolution.PAID_BACK):
        raise Failure(
            Kind.REFUSED,
            "RESOLUTION_DOES_NOT_FIT",
            "This order is known to have been placed: resume it, or settle it as paid back"
            if placed
            else (
                "It is not known whether this order was placed: settle it as placed, or as not"
                " bought"
            ),
        )


def _not_in_review() -> Failure:
    return Failure(
        Kind.REFUSED,
        "ORDER_NOT_IN_REVIEW",
        "Only an order in review can be settled manually; check its status",
    )


def _mismatch(message: str) -> Failure:
    return Failure(Kind.REFUSED, "REFERENCE_MISMATCH", f"{message}: nothing was changed")
