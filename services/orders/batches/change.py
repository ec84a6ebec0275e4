"""Cancels batches, and plans their failed rows again."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.values import money
from services.orders.batches import find, read_store, store
from services.orders.batches.accept import check_sound
from services.orders.batches.batch import Batch, BatchRequest, ErrorPolicy
from services.orders.batches.members import Buyers
from services.orders.batches.validation import Checked, Validation
from services.orders.budgets import reserve as budgets
from services.orders.organizations import membership


class BatchChanges:
    """Changes batches of the caller."""

    def __init__(self, database: Database, validation: Validation, buyers: Buyers) -> None:
        self._database = database
        self._validation = validation
        self._buyers = buyers

    async def cancel(self, session: Session, batch_id: UUID, actor: str) -> Batch:
        """Stop a batch; repeatable. Raises Failure REFUSED (BATCH_FINISHED)."""
        batch = await find.own(self._database, session, batch_id)
        if batch.cancelled_at is not None:
            return batch
        _check_running(batch)
        async with self._database.system() as connection:
            await store.lock(connection, batch_id)
            await membership.check_acts(
                connection, batch.organization_id, batch.customer_id, session
            )
            # It may have finished meanwhile, or another call may have cancelled it.
            _check_running(await _current(connection, batch_id))
            await store.cancel(connection, batch_id, actor)
            await stop(connection, batch_id)
        # In a separate transaction, without the lock of the batch: `wake_for_balance` locks orders before
        # batches, so the two could deadlock.
        async with self._database.system() as connection:
            await store.wake_claimed(connection, batch_id)
        return await find.one(self._database, session, batch_id)

    async def retry(self, session: Session, batch_id: UUID) -> Batch:
        """Plan the failed and cancelled rows of a finished batch again, at current prices.

        Raises Failure REFUSED: BATCH_RUNNING, NOTHING_TO_RETRY; CONFLICT (BATCH_CHANGED) if another retry
        came first; and what `Acceptance.create` raises.
        """
        batch = await find.own(self._database, session, batch_id)
        _check_finished(batch)
        request = await self._again(batch)
        buyer = await self._buyers.of_batch(session, batch.customer_id, request)
        buyer.require_payable()
        checked = await self._validation.check(request, buyer, session.token)
        if request.max_total is not None and checked.total > request.max_total:
            raise _above(request.max_total, checked)
        check_sound(replace(request, policy=ErrorPolicy.SKIP_FAILED), checked)
        async with self._database.system() as connection:
            await store.lock(connection, batch_id)
            await self._buyers.check_caller(connection, session, batch)
            # Another retry may have come first, and may have ended.
            current = await _current(connection, batch_id)
            _check_finished(current)
            rows = await read_store.to_retry(connection, batch_id)
            if rows != list(request.rows) or current.counts.spent != batch.counts.spent:
                raise _changed()
            planned = await self._plan(connection, batch_id, checked)
            if buyer.member is not None:
                await budgets.reserve_all(
                    connection, buyer.member, batch.group_id, batch.customer_id, planned
                )
        return await find.one(self._database, session, batch_id)

    async def _plan(
        self, connection: Connection, batch_id: UUID, checked: Checked
    ) -> dict[UUID, Decimal]:
        after = await store.last_number(connection, batch_id)
        planned = await store.plan(connection, batch_id, checked.orders, after)
        await store.move_items(connection, batch_id, checked, list(planned))
        await store.set_errors(connection, batch_id, checked.rows)
        await store.restart(connection, batch_id)
        return planned

    async def _again(self, batch: Batch) -> BatchRequest:
        """Return the request for the rows of a batch that were not bought."""
        async with self._database.system() as connection:
            rows = await read_store.to_retry(connection, batch.id)
        if not rows:
            raise Failure(
                Kind.REFUSED,
                "NOTHING_TO_RETRY",
                "All rows of this batch that can be bought were delivered; create a batch for others",
            )
        most = batch.max_total
        return BatchRequest(
            organization_id=batch.organization_id,
            group_id=batch.group_id,
            name=batch.name,
            rows=rows,
            policy=batch.policy,
            max_total=None if most is None else most - batch.counts.spent,
            max_currency=batch.currency,
            not_before=None,
            currency=batch.currency,
        )


async def stop(connection: Connection, batch_id: UUID) -> None:
    """Cancel the planned orders that have no order yet, and give back what they reserve."""
    for planned in await store.cancel_pending(connection, batch_id):
        await budgets.release(connection, planned)


async def _current(connection: Connection, batch_id: UUID) -> Batch:
    """Return a batch, which is locked, as it is now."""
    found = await read_store.get(connection, batch_id)
    if found is None:
        raise find.not_found()
    return (await read_store.counted(connection, [found]))[0]


def _check_running(batch: Batch) -> None:
    if batch.finished and batch.cancelled_at is None:
        raise Failure(
            Kind.REFUSED,
            "BATCH_FINISHED",
            "This batch is finished, so there is nothing to stop; cancel its orders one by one",
        )


def _changed() -> Failure:
    return Failure(
        Kind.CONFLICT,
        "BATCH_CHANGED",
        "Another retry of this batch came first, so nothing was changed; look at the batch, and retry it"
        " again if rows are still missing",
    )


def _above(left: Decimal, checked: Checked) -> Failure:
    """Return the refusal of a retry, whose batch can't get another maximum."""
    total, currency = money.plain(checked.total), checked.currency
    return Failure(
        Kind.REFUSED,
        "MAX_TOTAL_EXCEEDED",
        f"The rows that were not bought cost {total:f} {currency}, and {money.plain(left):f} {currency} are"
        " left of the batch's max_total, so nothing was bought: create a batch for these rows",
    )


def _check_finished(batch: Batch) -> None:
    if not batch.finished:
        raise Failure(
            Kind.REFUSED,
            "BATCH_RUNNING",
            "This batch is not finished: wait for its end, or cancel it",
        )
