"""Hands stored callbacks to their owners: at least once, with back-off, and in order where it can be."""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from opentelemetry.trace import SpanKind

from kit import tracing
from kit.db import Database
from kit.errors import Failure, Kind
from webhooks import deliveries
from webhooks.deliveries import Due, Settled, State
from webhooks.events import Owner
from webhooks.metrics import Metrics
from webhooks.owners import TIMEOUT, Answer, Letter, Owners, Verdict
from webhooks.understand import understand

logger = logging.getLogger(__name__)

# Events in one call: few enough that an owner is done with them long before TIMEOUT.
BATCH = 50
# Seconds after which another process may take an event that this one took: longer than a call.
LEASE = TIMEOUT + 3
# Seconds between looks for what other replicas stored, and for what is tried again. What this
# process stores wakes it.
POLL = 0.5
# Seconds. An owner that is away is asked again soon, and then at most every ten seconds.
FIRST_ABSENCE, LONGEST_ABSENCE = 0.2, 10.0
# Seconds between attempts of one event: 1, 2, 4, ... up to ten minutes.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 600.0
# Seconds between attempts of a foreign event: half its age, up to an hour. So an eSIM that is registered
# soon gets its events soon, and months of foreign events cost next to nothing.
LONGEST_FOREIGN_PAUSE = 3_600.0
# Nobody else's sequence: one that a caller seeds would fail in step.
CHANCE = random.Random()  # noqa: S311 - no secret


class Lane:
    """One owner's events; each owner has its own, so that one that is away holds up no other."""

    def __init__(
        self,
        owner: Owner,
        database: Database,
        owners: Owners,
        metrics: Metrics,
        *,
        most_attempts: int,
        foreign_after: float,
        stop: asyncio.Event,
    ) -> None:
        self._owner = owner
        self._database = database
        self._owners = owners
        self._metrics = metrics
        self._most_attempts = most_attempts
        self._foreign_after = foreign_after
        self._stop = stop
        self._news = asyncio.Event()
        self._absences = 0

    def wake(self) -> None:
        """There is something to hand over."""
        self._news.set()

    async def run(self) -> None:
        """Until the stop; nothing that goes wrong ends it before."""
        while not self._stop.is_set():
            self._news.clear()
            try:
                busy = await self._round()
            except Failure as failure:
                await self._absent(failure)
                continue
            except Exception:
                logger.exception(
                    "events for %s could not be handed over; trying again", self._owner
                )
                await self._pause(LONGEST_ABSENCE)
                continue
            if self._absences:
                logger.info("events for %s are taken again", self._owner)
                self._absences = 0
            if not busy:
                await self._pause(POLL)

    async def _round(self) -> bool:
        # While an owner is away, one event finds out whether it is back.
        most = 1 if self._absences else BATCH
        async with self._database.system() as connection:
            due = await deliveries.claim(connection, self._owner, most, LEASE)
            if len(due) < most and not self._absences:
                due += await deliveries.claim(
                    connection, self._owner, most - len(due), LEASE, foreign=True
                )
        if not due:
            return False
        told: dict[str, str | int] = {
            "esimgo.owner": self._owner.value,
            "esimgo.callbacks": len(due),
        }
        # The callbacks of a batch are of many traces: this is one of its own, linked to theirs.
        with tracing.begun(
            f"deliver to {self._owner}",
            told,
            links=[one.trace for one in due],
            kind=SpanKind.CONSUMER,
        ):
            settled = await self._hand_over(due)
            async with self._database.system() as connection:
                await deliveries.settle(connection, settled)
        events = {event.id: event for event in due}
        for one in settled:
            self._metrics.attempted(self._owner, one.state, one.outcome)
            event = events[one.id]
            # An event that was foreign waited for its eSIM to be registered, not for its delivery.
            if one.state is State.DELIVERED and not event.foreign:
                age = datetime.now(UTC) - event.received_at
                self._metrics.delivered(understand(event.body).type, age.total_seconds())
            if one.state is State.DEAD:
                logger.error(
                    "event %s is a dead letter after %s attempts: %s",
                    one.id,
                    one.attempts,
                    one.error,
                )
        return True

    async def _hand_over(self, due: Sequence[Due]) -> list[Settled]:
        letters, settled = [], []
        for one in due:
            understood = understand(one.body)
            if understood.owner is self._owner:
                letters.append(Letter(one.id, one.received_at, understood, one.repeated))
            else:  # stored by a version that read it otherwise
                settled.append(
                    Settled(one.id, State.KEPT, one.attempts, "", understood.problem or "moved")
                )
        answers: dict[UUID, Answer] = {}
        if letters:
            answers = await self._asked(letters)
        of_id = {one.id: one for one in due}
        missing = Answer(Verdict.FAILED, "FAILED", "the owner gave no answer to it")
        return settled + [
            self._settled(of_id[letter.id], answers.get(letter.id, missing)) for letter in letters
        ]

    async def _asked(self, letters: Sequence[Letter]) -> dict[UUID, Answer]:
        try:
            return await self._owners.hand_over(self._owner, letters)
        except Failure as failure:
            if failure.kind is not Kind.INVALID:
                # Nothing is wrong with the events: they wait for their owner, whatever time it takes.
                async with self._database.system() as connection:
                    await deliveries.release(connection, [letter.id for letter in letters])
                raise
            if len(letters) == 1:
                return {letters[0].id: Answer(Verdict.REFUSED, "INVALID", failure.message)}
        # One of them isn't what its owner takes, and must not hold up the rest.
        answers: dict[UUID, Answer] = {}
        for letter in letters:
            answers |= await self._asked([letter])
        return answers

    def _settled(self, due: Due, answer: Answer) -> Settled:
        # A foreign event is tried for months, which is no failure: only attempts before that count.
        attempts = due.attempts + (not due.foreign)
        error = answer.detail or answer.outcome
        age = (datetime.now(UTC) - due.received_at).total_seconds()
        match answer.verdict:
            case Verdict.DONE:
                return Settled(due.id, State.DELIVERED, attempts, answer.outcome)
            case Verdict.REFUSED:
                return Settled(due.id, State.DEAD, attempts, answer.outcome, answer.detail)
            case Verdict.UNKNOWN if (
                due.foreign or age >= self._foreign_after or attempts >= self._most_attempts
            ):
                # The same account is used elsewhere, or the order is still being registered.
                if not due.foreign:
                    logger.info("event %s is foreign: %s", due.id, error)
                pause = min(max(age / 2, FIRST_PAUSE), LONGEST_FOREIGN_PAUSE)
                return Settled(due.id, State.FOREIGN, attempts, answer.outcome, error, pause)
        if due.foreign:
            attempts = 1
        if attempts >= self._most_attempts:
            return Settled(due.id, State.DEAD, attempts, answer.outcome, error)
        pause = min(FIRST_PAUSE * 2.0 ** min(attempts - 1, 20), LONGEST_PAUSE)
        return Settled(due.id, State.PENDING, attempts, answer.outcome, error, _jittered(pause))

    async def _absent(self, failure: Failure) -> None:
        self._absences += 1
        if self._absences == 1:
            logger.warning("events for %s wait, nobody takes them now: %s", self._owner, failure)
        self._metrics.absent(self._owner)
        pause = min(FIRST_ABSENCE * 2.0 ** min(self._absences - 1, 20), LONGEST_ABSENCE)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), _jittered(pause))

    async def _pause(self, seconds: float) -> None:
        """Until there is news, the stop, or the time is over."""
        waits = [asyncio.ensure_future(e.wait()) for e in (self._news, self._stop)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


def _jittered(seconds: float) -> float:
    """Up to a quarter off, so that what failed together isn't tried together."""
    return seconds * CHANCE.uniform(0.75, 1.0)
