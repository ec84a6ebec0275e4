"""Delivers stored callbacks to their owners at least once, with backoff, and in order where possible."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from opentelemetry.trace import SpanKind

from kit import background
from kit.background import Loop
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.telemetry import tracing
from kit.values.jitter import shortened
from protos.orders.v1.payments_pb2 import PaymentEvent
from webhooks import delivery_store
from webhooks.callback import Event, Owner, Understood
from webhooks.delivery_store import AttemptResult, Due, State
from webhooks.metrics import Metrics
from webhooks.peers import TIMEOUT, Disposition, Outcome, Owners
from webhooks.reading import reader

logger = logging.getLogger(__name__)

# Events in one call; an owner applies them long before TIMEOUT.
BATCH = 50
# Seconds after which another process may claim an event that this one claimed: longer than a call.
LEASE = TIMEOUT + 3
# Seconds between polls for events that other replicas stored and for retries. An event that this
# process stores wakes the worker at once.
POLL = 0.5
# Seconds between calls of an owner that is unavailable.
FIRST_BACKOFF, MAX_BACKOFF = 0.2, 10.0
# Seconds between attempts of one event: 1, 2, 4, ... up to ten minutes.
FIRST_PAUSE, MAX_PAUSE = 1.0, 600.0
# Seconds between attempts of a foreign event: half its age, up to this. Young ones are retried soon, in case
# their eSIM is being registered. Old ones are rarely retried, as another application that shares the account
# may cause far more callbacks than this platform, and all of them are kept for months.
MAX_FOREIGN_PAUSE = 86_400.0


class DeliveryWorker:
    """Delivers the events of one owner. Each owner has a worker, so that an outage of one delays no other."""

    def __init__(
        self,
        owner: Owner,
        database: Database,
        owners: Owners,
        metrics: Metrics,
        *,
        max_attempts: int,
        foreign_after: float,
        stop: asyncio.Event,
    ) -> None:
        self._owner = owner
        self._database = database
        self._owners = owners
        self._metrics = metrics
        self._max_attempts = max_attempts
        self._foreign_after = foreign_after
        self._stop = stop
        self._failures = 0
        self._offered: list[Due] = []
        self._claim_at = 0.0
        self.loop = Loop(f"deliver to {owner}", self._round, stop, every=POLL)

    @property
    def lease(self) -> float:
        """Seconds for which an event that is stored now can be leased to this worker; 0 if it can't take it.

        The owner must accept events in any order, because a leased event overtakes those that wait.
        """
        return 0.0 if self._failures or len(self._offered) >= BATCH else LEASE

    def offer(self, event: Due, lease: float) -> None:
        """Deliver an event that was stored with that `lease`."""
        if lease:
            self._offered.append(event)
        self.loop.wake()

    async def _round(self) -> bool:
        try:
            busy = await self._deliver_due()
        except Failure as failure:
            await self._back_off(failure)
            return True
        if self._failures:
            logger.info("events for %s are delivered again", self._owner)
            self._failures = 0
            return True
        return busy

    async def _deliver_due(self) -> bool:
        due, self._offered = self._offered[:BATCH], self._offered[BATCH:]
        now = asyncio.get_running_loop().time()
        # Claimed regularly, or constant new events would leave no time for retries.
        if not due or now >= self._claim_at:
            self._claim_at = now + POLL
            due += await self._claim(BATCH - len(due))
        if not due:
            return False
        # What is stored or offered meanwhile wakes the loop.
        more = len(due) >= BATCH
        attributes: dict[str, str | int] = {
            "esimgo.owner": self._owner.value,
            "esimgo.callbacks": len(due),
        }
        # The callbacks of a batch belong to many traces: the batch has its own trace, linked to theirs.
        with tracing.root_span(
            f"deliver to {self._owner}",
            attributes,
            links=[one.trace for one in due],
            kind=SpanKind.CONSUMER,
        ):
            understand = reader(self._owner)
            understood = {one.id: understand(one.body) for one in due}
            results = await self._deliver(due, understood)
            async with self._database.system() as connection:
                await delivery_store.record_results(connection, results)
        events = {event.id: event for event in due}
        for one in results:
            self._metrics.attempted(self._owner, one.state, one.outcome)
            event = events[one.id]
            # A foreign event waited until its eSIM was registered, so its age is no measure of the delivery.
            if one.state is State.DELIVERED and not event.foreign:
                age = self._database.now() - event.received_at
                self._metrics.delivered(understood[one.id].type, age.total_seconds())
            if one.state is State.DEAD:
                logger.error(
                    "event %s is a dead letter after %s attempts: %s",
                    one.id,
                    one.attempts,
                    one.error,
                )
        return more

    async def _claim(self, most: int) -> list[Due]:
        # While an owner is unavailable, a single event probes it.
        limit = min(most, 1) if self._failures else most
        async with self._database.system() as connection:
            due = await delivery_store.claim(connection, self._owner, limit, LEASE)
            if len(due) < limit and not self._failures:
                due += await delivery_store.claim(
                    connection, self._owner, limit - len(due), LEASE, foreign=True
                )
        return due

    async def _deliver(
        self, due: Sequence[Due], understood: Mapping[UUID, Understood]
    ) -> list[AttemptResult]:
        events: dict[UUID, Event] = {}
        results: list[AttemptResult] = []
        for one in due:
            event, problem = understood[one.id].event, understood[one.id].problem
            if event is None or understood[one.id].owner is not self._owner:
                # It was stored by a version that interpreted it differently.
                results.append(
                    AttemptResult(one.id, State.KEPT, one.attempts, "", problem or "moved")
                )
                continue
            if not isinstance(
                event, PaymentEvent
            ):  # the payment provider's events have an id and a time
                event.event_id = str(one.id)
                event.received_at.FromDatetime(one.received_at)
                event.repeated = one.repeated
            events[one.id] = event
        outcomes = await self._call(events) if events else {}
        of_id = {one.id: one for one in due}
        missing = Outcome(Disposition.FAILED, "FAILED", "the owner returned no result for it")
        for event_id in events:
            results.append(self._result(of_id[event_id], outcomes.get(event_id, missing)))
        return results

    async def _call(self, events: Mapping[UUID, Event]) -> dict[UUID, Outcome]:
        ids = list(events)
        try:
            return await self._owners.deliver(events)
        except Failure as failure:
            if failure.kind is not Kind.INVALID:
                # Nothing is wrong with the events: they wait for their owner, however long it takes.
                async with self._database.system() as connection:
                    await delivery_store.release(connection, ids)
                raise
            if len(events) == 1:
                return {ids[0]: Outcome(Disposition.REFUSED, "INVALID", failure.message)}
        # The owner refuses the batch because of one event, which must not block the rest.
        outcomes: dict[UUID, Outcome] = {}
        for event_id, event in events.items():
            outcomes |= await self._call({event_id: event})
        return outcomes

    def _result(self, due: Due, outcome: Outcome) -> AttemptResult:
        # Retries of a foreign event are no failures, so they are not counted.
        attempts = due.attempts + (not due.foreign)
        error = outcome.detail or outcome.name
        age = (self._database.now() - due.received_at).total_seconds()
        match outcome.disposition:
            case Disposition.DONE:
                return AttemptResult(due.id, State.DELIVERED, attempts, outcome.name)
            case Disposition.REFUSED:
                return AttemptResult(due.id, State.DEAD, attempts, outcome.name, outcome.detail)
            case Disposition.UNKNOWN if (
                due.foreign or age >= self._foreign_after or attempts >= self._max_attempts
            ):
                # Another system uses the same provider account, or the registration here isn't finished yet.
                if not due.foreign:
                    logger.info("event %s is foreign: %s", due.id, error)
                pause = min(max(age / 2, FIRST_PAUSE), MAX_FOREIGN_PAUSE)
                return AttemptResult(due.id, State.FOREIGN, attempts, outcome.name, error, pause)
        if due.foreign:
            attempts = 1
        if attempts >= self._max_attempts:
            return AttemptResult(due.id, State.DEAD, attempts, outcome.name, error)
        pause = min(FIRST_PAUSE * 2.0 ** min(attempts - 1, 20), MAX_PAUSE)
        return AttemptResult(due.id, State.PENDING, attempts, outcome.name, error, _jittered(pause))

    async def _back_off(self, failure: Failure) -> None:
        self._failures += 1
        # Events that were offered meanwhile are due again when their leases end.
        self._offered.clear()
        if self._failures == 1:
            logger.warning("events for %s wait: %s", self._owner, failure)
        self._metrics.absent(self._owner)
        pause = min(FIRST_BACKOFF * 2.0 ** min(self._failures - 1, 20), MAX_BACKOFF)
        await background.sleep(_jittered(pause), self._stop)


def _jittered(seconds: float) -> float:
    """Shorten a pause by up to a quarter, so that events which failed together are not retried together."""
    return shortened(seconds, 0.25)
