"""Settles a purchase of unclear outcome by reading the provider's list of orders since the attempt."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from kit.db.database import Connection, Database
from kit.errors import Failure
from services.orders import delivery_store, status_reasons, store
from services.orders.datasource import OrdersDataSource
from services.orders.order import OrderStatus, RecoveryPoint
from services.orders.provider.provider_history import History
from services.orders.provider.provider_order import ProviderOrder
from services.orders.purchase import attempt_store, bulk
from services.orders.purchase.charges import Charges
from services.orders.purchase.reconcile import Attempt, Candidate, Decision, Outcome, doubted, match
from services.orders.status_reasons import FailureReason
from services.orders.work import Pause, Work, growing_pause

logger = logging.getLogger(__name__)

# An order is placed again once if the first attempt certainly bought nothing. A second attempt of unclear
# outcome that bought nothing fails the order: more would only add load to a broken provider.
MAX_UNCLEAR = 2
# Seconds. The longest pause between two polls is a tenth of the settling time, within these bounds. The first
# polls come sooner, because a placed order is nearly always listed at once.
MIN_POLL, MAX_POLL = 0.2, 15.0
FIRST_PAUSE = 1.0


class Settlement:
    """Settles orders; those of the same bundle, quantity and target are settled one at a time."""

    def __init__(
        self,
        database: Database,
        datasource: OrdersDataSource,
        charges: Charges,
        *,
        settling: timedelta,
        tolerance: timedelta,
    ) -> None:
        self._database = database
        self._datasource = datasource
        self._charges = charges
        self._settling = settling
        self._tolerance = tolerance
        self._max_pause = min(MAX_POLL, max(MIN_POLL, settling.total_seconds() / 10))

    async def settle(self, work: Work) -> Pause | None:
        """Move an ATTEMPTED order to PLACED, back to CLAIMED, to FAILED, or into review."""
        async with self._database.system() as connection:
            await attempt_store.keep_lease(connection, work.order.id, work.run)
            # This run has the lease: if an attempt is still open, the process that made it has died.
            await attempt_store.end_abandoned(connection, work.order.id)
            oldest, read_at = await attempt_store.oldest_unclear(connection, work.order)
        since = oldest - self._tolerance
        try:
            history = await self._datasource.get_history(since)
        except Failure as failure:
            work.metrics.reconciled("UNREADABLE")
            await work.explain(status_reasons.MESSAGE_UNCLEAR)
            return Pause(max(failure.retry_after or 0.0, self._max_pause))
        listed = list(history.orders.values())
        async with self._database.system() as connection:
            # Another run may have settled the attempt during the call.
            await attempt_store.keep_lease(connection, work.order.id, work.run)
            await attempt_store.lock(connection, work.order)
            unsettled = await attempt_store.unsettled(connection, work.order)
            candidates = await self._candidates(connection, work, listed)
            decisions = match(
                unsettled,
                candidates,
                read_at=read_at,
                settling=self._settling,
                tolerance=self._tolerance,
                own_addresses=await attempt_store.own_addresses(connection),
            )
            attempt = next(a for a in unsettled if a.order_id == work.order.id)
            decision = decisions[attempt.id]
            if await self._doubtful(connection, work, history) or (
                decision.outcome is Outcome.ABSENT and _any_before(candidates, since)
            ):
                decision = doubted(decision, attempt, read_at, self._settling)
            work.metrics.reconciled(decision.outcome)
            if decision.outcome is Outcome.WAIT:
                waited = read_at - (attempt.ended_at or read_at)
                return growing_pause(waited, min(FIRST_PAUSE, self._max_pause), self._max_pause)
            await self._apply(connection, work, attempt, decision, listed)
            return None

    async def _doubtful(self, connection: Connection, work: Work, history: History) -> bool:
        """Return whether an unreadable row may be the order that the attempt placed."""
        rows = history.may_be_of(work.order.bundle_name)
        owned = await store.owners(connection, [row.reference for row in rows])
        return any(row.reference not in owned for row in rows)

    async def _candidates(
        self, connection: Connection, work: Work, listed: list[ProviderOrder]
    ) -> list[Candidate]:
        same = [
            o
            for o in listed
            if (o.item, o.quantity) == (work.order.bundle_name, work.order.quantity)
        ]
        owned = await store.owners(connection, [o.reference for o in same])
        left = [o for o in same if o.reference not in owned]
        target = work.order.bound_iccid
        if target is None:
            # An order for an eSIM that is already known here is a top-up, which is matched separately.
            known = await delivery_store.known_iccids(
                connection, [i for o in left for i in o.iccids]
            )
            # Unless it is the requested eSIM, which the bundle may fit after all.
            left = [o for o in left if not o.iccids & known - {work.order.target_iccid}]
        else:
            # A provider order that lists no eSIM yet may be ours; its delivery is checked later.
            left = [o for o in left if not o.iccids or target in o.iccids]
        return [Candidate(o.reference, o.created_at, o.source_address) for o in left]

    async def _apply(
        self,
        connection: Connection,
        work: Work,
        attempt: Attempt,
        decision: Decision,
        listed: list[ProviderOrder],
    ) -> None:
        match decision.outcome:
            case Outcome.PLACED:
                found = next(o for o in listed if o.reference == decision.reference)
                await attempt_store.end(connection, attempt.id, "PLACED")
                charge = self._charges.judge(work.order, found)
                await work.step(
                    "found at the provider",
                    connection,
                    after=charge.steps,
                    also=charge.placed,
                    point=RecoveryPoint.PLACED,
                    reason="",
                    detail=charge.detail,
                )
            case Outcome.ABSENT:
                await attempt_store.end(connection, attempt.id, "ABSENT")
                counts = await attempt_store.counts(connection, work.order.id)
                most = bulk.MAX_UNCLEAR if work.order.in_batch else MAX_UNCLEAR
                if counts["ABSENT"] >= most:
                    await work.step(
                        "given up: surely not bought",
                        status=OrderStatus.FAILED,
                        reason=status_reasons.MESSAGE_NOT_REACHED,
                        failure=FailureReason.PROVIDER_UNREACHABLE,
                        connection=connection,
                    )
                else:
                    await work.step(
                        "surely not bought: placing again",
                        point=RecoveryPoint.CLAIMED,
                        reason=status_reasons.MESSAGE_WAITING,
                        connection=connection,
                    )
            case Outcome.REVIEW:
                logger.error(
                    "order %s needs an operator: it is unclear whether it was bought", work.order.id
                )
                await work.step(
                    "needs review",
                    status=OrderStatus.NEEDS_REVIEW,
                    reason=status_reasons.MESSAGE_REVIEW,
                    detail="the provider's orders for this bundle can't be matched to the purchase"
                    " attempts",
                    connection=connection,
                )


def _any_before(candidates: Sequence[Candidate], since: datetime) -> bool:
    """Return whether the list of orders since that time has one that was made before it.

    Its time is wrong then, perhaps one without a time zone, so it may be the order that the attempt placed.
    """
    return any(c.created_at is not None and c.created_at < since for c in candidates)
