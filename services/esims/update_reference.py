"""Sets the customer's reference of an eSIM, at the provider and here."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.telemetry import tracing
from kit.values.clock import Clock
from providers.esim_go.client import Priority
from services.esims import find, reference_store, store
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM
from services.esims.reference_store import Pending

logger = logging.getLogger(__name__)

# Longer than any request takes; after a crash the reference is due again then.
LEASE = timedelta(seconds=60)
# References of one round, with a request each.
BATCH = 10
# 1, 2, 4, .. minutes: the last of ten tries comes about a day after the first was made.
FIRST_PAUSE = timedelta(minutes=1)
MAX_TRIES = 10


class ReferenceUpdates:
    """Changes references for customers, and sends those that came with orders to the provider."""

    def __init__(self, database: Database, source: ESIMsDataSource, clock: Clock) -> None:
        self._database = database
        self._source = source
        self._clock = clock

    async def update(self, session: Session, esim_id: UUID, reference: str) -> ESIM:
        """Set the reference at the provider, then here, and return the eSIM; repeatable.

        Raises Failure NOT_FOUND; REFUSED ESIM_NOT_UPDATABLE; UNAVAILABLE when the provider is, or when the
        outcome is unknown (REFERENCE_UNCONFIRMED).
        """
        esim = await find.to_change(self._database, session, esim_id)
        # Scheduled before the call: if its outcome stays unclear, or this process dies, the provider gets the
        # stored reference again.
        async with self._database.system() as connection:
            due = self._clock.wall() + LEASE
            scheduled = await reference_store.schedule(connection, esim_id, due)
        try:
            await self._source.update_esim(esim.iccid, reference)
        except Failure as failure:
            if failure.kind is Kind.UNCLEAR:
                await self._confirm(esim, reference)
            else:
                if scheduled:  # nothing was changed
                    await self._record(esim_id, esim.customer_ref)
                if failure.kind in (Kind.REFUSED, Kind.NOT_FOUND):
                    raise _not_updatable() from failure
                raise
        now = self._clock.wall()
        async with self._database.system() as connection:
            [locked] = await store.lock(connection, [esim_id])
            if locked.customer_ref != reference:
                locked = replace(
                    locked, customer_ref=reference, last_action="Reference Updated", action_date=now
                )
            changed_at = await store.save(connection, [locked])
            await reference_store.record_outcomes(connection, [(esim_id, reference, None)])
        return replace(locked, updated_at=changed_at[esim_id])

    async def _record(self, esim_id: UUID, sent: str) -> None:
        async with self._database.system() as connection:
            await reference_store.record_outcomes(connection, [(esim_id, sent, None)])

    async def _confirm(self, esim: ESIM, reference: str) -> None:
        try:
            details = await self._source.get_esim(esim.iccid)
        except Failure as failure:
            raise _unconfirmed() from failure
        if details.customer_ref != reference:
            raise _unconfirmed()

    async def send_pending(self) -> int:
        """Send references that the provider lacks, and return how many were due.

        Best effort: a reference that is refused or fails too often is given up, and stored here only.
        """
        async with self._database.system() as connection:
            due = await reference_store.claim(connection, self._clock.wall(), LEASE, BATCH)
        if not due:
            return 0
        with tracing.root_span("send references", {"esimgo.esims": len(due)}):
            retries = await asyncio.gather(*map(self._send, due))
            outcomes = [(p.esim_id, p.reference, at) for p, at in zip(due, retries, strict=True)]
            async with self._database.system() as connection:
                await reference_store.record_outcomes(connection, outcomes)
        return len(due)

    async def _send(self, pending: Pending) -> datetime | None:
        """Return when to try again; None if the reference is set or given up."""
        pause: timedelta = FIRST_PAUSE * 2 ** (pending.tries - 1)
        try:
            await self._source.update_esim(pending.iccid, pending.reference, priority=Priority.SYNC)
        except Failure as failure:
            if failure.kind in (Kind.REFUSED, Kind.NOT_FOUND) or pending.tries >= MAX_TRIES:
                logger.warning(
                    "the reference of eSIM %s was not sent to the provider, and is given up: %s",
                    pending.esim_id,
                    failure.reason,
                )
                return None
            return self._clock.wall() + pause
        except Exception:
            # One that fails unexpectedly must not keep the others from being recorded.
            logger.exception("the reference of eSIM %s could not be sent", pending.esim_id)
            return None if pending.tries >= MAX_TRIES else self._clock.wall() + pause
        return None


def _not_updatable() -> Failure:
    return Failure(
        Kind.REFUSED,
        "ESIM_NOT_UPDATABLE",
        "The provider does not allow changing the reference of this eSIM",
    )


def _unconfirmed() -> Failure:
    return Failure(
        Kind.UNAVAILABLE,
        "REFERENCE_UNCONFIRMED",
        "The provider did not confirm whether the reference was set; send the same reference"
        " again soon",
    )
