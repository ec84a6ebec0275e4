"""Cancels an unused order: each of its bundles is revoked at the provider.

The provider can't cancel an order. It offers a revoke for each assignment, and reports the refund as text
only. Every revoke is recorded before and after, so that an interrupted run can be resumed.
"""

import logging

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from services.orders import store
from services.orders.cancellation import revocation_store
from services.orders.cancellation.examine import Examination, Held
from services.orders.cancellation.give_back import CancelledRefunds
from services.orders.cancellation.revocation import (
    Revocation,
    cancelled_message,
    cancelled_status,
    refunded_message,
)
from services.orders.datasource import OrdersDataSource
from services.orders.order import (
    DeliveredESIM,
    Order,
    OrderStatus,
    Refund,
)
from services.orders.organizations import membership
from services.orders.peers import ESIMs
from services.orders.provider.provider_bundle import read_refund
from services.orders.work import Pause, Work

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds until a revoke, or the esims service, is tried again.
TRY_AGAIN = Pause(3.0)


class Cancellation:
    """Checks if an order can be cancelled, and cancels it."""

    def __init__(
        self,
        database: Database,
        datasource: OrdersDataSource,
        examination: Examination,
        esims: ESIMs,
        refunds: CancelledRefunds,
    ) -> None:
        self._refunds = refunds
        self._database = database
        self._datasource = datasource
        self._examination = examination
        self._esims = esims

    async def request(
        self,
        order: Order,
        esims: list[DeliveredESIM],
        session: Session,
        *,
        unused_only: bool = False,
        by_staff: bool = False,
    ) -> None:
        """Record that a completed order is to be cancelled, after checking each bundle with the provider.

        With `unused_only`, bundles in use are left alone; without it they make the order uncancellable.
        With `by_staff`, the order's refund policy does not matter.

        Changes nothing when it raises: REFUSED with ORDER_IN_USE, ORDER_NOT_CANCELLABLE or
        ORDER_NOT_REFUNDABLE, what `membership.check_acts` raises, or the provider's own failures. An order
        that is being cancelled, also by a call that began at the same time, stays as it is.
        """
        if order.cancel_requested_at is not None:
            return
        while True:
            revoked = await self._examination.revoked(order)
            try:
                held = await self._examination.held(order, esims, revoked)
                await self._record(order, held, session, unused_only=unused_only, by_staff=by_staff)
            except Failure as failure:
                # Another call may have revoked bundles since this one began, and the checks refuse those.
                if failure.kind is not Kind.REFUSED:
                    raise
                if await self._is_requested(order):
                    return
                if await self._examination.revoked(order) == revoked:
                    raise
            else:
                return

    async def _record(
        self,
        order: Order,
        held: Held,
        session: Session,
        *,
        unused_only: bool,
        by_staff: bool,
    ) -> None:
        """Check the bundles of an order, and record that they are to be revoked."""
        bundles = held.unused() if unused_only else held.whole()
        checked = await self._refunds.check(order, [r for r, _ in bundles], by_staff=by_staff)
        chosen = await self._examination.choose(
            [(r, bundle) for r, (_, bundle) in zip(checked, bundles, strict=True)]
        )
        choices = [(choice.revocation, choice.to_balance) for choice in chosen]
        async with self._database.system() as connection:
            # The provider was called meanwhile, and the caller may have been removed from the organization.
            await membership.check_acts(
                connection, order.organization_id, order.customer_id, session
            )
            if await revocation_store.request(connection, order, choices, unused_only=unused_only):
                await self._refunds.reserve(connection, order, by_staff=by_staff)
                await store.record_request(
                    connection, order, session.user_id, "cancellation asked for"
                )

    async def _is_requested(self, order: Order) -> bool:
        """Return whether an order is being cancelled by now, or was cancelled."""
        async with self._database.system() as connection:
            found = await store.get(connection, [order.id])
        return any(
            now.cancel_requested_at is not None or now.status is not OrderStatus.COMPLETED
            for now in found
        )

    async def advance(self, work: Work) -> Pause | None:
        """Continue a requested cancellation from its last committed step."""
        async with self._database.system() as connection:
            planned = await revocation_store.list_revocations(connection, work.order.id)
        for revocation in planned:
            if revocation.state in ("PLANNED", "STARTED"):
                try:
                    await self._carry_out(work, revocation)
                except Failure as failure:
                    episodes.record(
                        "bundles of orders are not revoked yet",
                        "a bundle of order %s not revoked yet: %s",
                        work.order.id,
                        failure,
                    )
                    return Pause(max(failure.retry_after or 0.0, TRY_AGAIN.seconds))
        async with self._database.system() as connection:
            planned = await revocation_store.list_revocations(connection, work.order.id)
        revoked = [r.iccid for r in planned if r.state == "REVOKED"]
        partly = len(revoked) < work.order.quantity or any(r.state == "REFUSED" for r in planned)
        if partly and not revoked:
            await self._end_partly(work, planned)
            return None
        try:
            await self._esims.cancel_order_bundles(
                work.order, revoked if partly else _own(work.order, planned)
            )
        except Failure as failure:
            episodes.record(
                "cancelled orders are not reported to esims yet",
                "cancelled order %s not reported to esims yet: %s",
                work.order.id,
                failure,
            )
            return TRY_AGAIN
        if partly:
            await self._end_partly(work, planned)
            return None
        await self._end(work, planned)
        return None

    async def _carry_out(self, work: Work, revocation: Revocation) -> None:
        """Revoke one bundle; if that was started before, check first if it succeeded.

        Raises Failure when the provider can't be reached, or its answer was lost.
        """
        if revocation.state == "STARTED" and await self._examination.is_revoked(revocation):
            await self._mark(
                work, revocation, "REVOKED", await self._examination.refund_in_history(revocation)
            )
            return
        async with self._database.system() as connection:
            to_balance = await revocation_store.to_balance(
                connection, work.order.id, revocation.assignment_id
            )
            await revocation_store.mark(
                connection, work.order.id, revocation.assignment_id, "STARTED"
            )
            await work.step("revoking a bundle", connection=connection)
        try:
            answer = await self._datasource.cancel_order(
                revocation.iccid,
                revocation.bundle_name,
                revocation.assignment_id,
                to_balance=to_balance,
                validate=False,
            )
        except Failure as failure:
            if failure.kind not in (Kind.REFUSED, Kind.NOT_FOUND):
                raise
            if not await self._examination.is_revoked(revocation):
                text = failure.details.get("provider_message", failure.reason)
                await self._mark(work, revocation, "REFUSED", None, text)
                return
            answer = ""
        refund = read_refund(answer) or await self._examination.refund_in_history(revocation)
        await self._mark(work, revocation, "REVOKED", refund, answer or None)

    async def _mark(
        self,
        work: Work,
        revocation: Revocation,
        state: str,
        refund: Refund | None,
        provider_text: str | None = None,
    ) -> None:
        async with self._database.system() as connection:
            await revocation_store.mark(
                connection, work.order.id, revocation.assignment_id, state, refund, provider_text
            )
            await work.step(f"bundle {state.lower()}", connection=connection)

    async def _end(self, work: Work, planned: list[Revocation]) -> None:
        """End a cancellation of the whole order, with its refund in the same transaction."""
        async with self._database.system() as connection:
            given = await self._refunds.give(connection, work.order, planned)
            status, message = cancelled_status(planned), cancelled_message(planned)
            if given is not None:
                status = OrderStatus.REFUNDED if given.whole else OrderStatus.CANCELLED
                message = refunded_message(
                    "The order", given.amount, work.order.currency, whole=given.whole
                )
            await work.step("cancelled", connection, status=status, reason=message)

    async def _end_partly(self, work: Work, planned: list[Revocation]) -> None:
        """End a cancellation that leaves some bundles, as they were excluded or refused."""
        revoked = [r for r in planned if r.state == "REVOKED"]
        refused = any(revocation.state == "REFUSED" for revocation in planned)
        message = "The order could not be cancelled: the provider does not accept its return."
        event = "partly cancelled" if revoked else "not cancelled"
        async with self._database.system() as connection:
            given = await self._refunds.give(connection, work.order, planned) if revoked else None
            if revoked:
                what = "Part of the order"
                back = cancelled_message(revoked, what)
                if given is not None:
                    currency = work.order.currency
                    back = refunded_message(what, given.amount, currency, whole=given.whole)
                message = f"{len(revoked)} of {work.order.quantity} bundles were cancelled; " + (
                    "the provider does not accept the return of the others."
                    if refused
                    else f"the others are in use and stay. {back}"
                )
            await revocation_store.withdraw(connection, work.order.id)
            await work.step(event, reason=message, connection=connection)


def _own(order: Order, planned: list[Revocation]) -> list[str]:
    """Return the ICCIDs whose bundles to cancel: the topped-up eSIM. An empty list: all of the order."""
    topped_up = order.target_iccid is not None and not order.reassigned
    return [revocation.iccid for revocation in planned] if topped_up else []
