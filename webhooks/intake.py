"""Stores concurrent callbacks in one transaction; each request waits until its callback is committed."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from kit import background
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.telemetry import tracing
from webhooks import store
from webhooks.store import Callback

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Callbacks in one transaction; larger batches gain nothing measurable.
BATCH = 64
# Seconds until a sender is asked to send again, well below what senders wait. The callback is still stored
# once the database answers; the repeat then counts as the same event.
ANSWER_WITHIN = 5.0
# Callbacks that may wait for the database; some 10 MB.
MAX_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A callback to store, and the future that its sender waits for unless it has disconnected."""

    callback: Callback
    answer: "asyncio.Future[tuple[UUID, bool]]"

    def succeed(self, result: tuple[UUID, bool]) -> None:
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, failure: Failure) -> None:
        if not self.answer.done():
            self.answer.set_exception(failure)


class Intake:
    """Stores callbacks in batches without delay: those that arrive during a commit form the next batch.

    Equal bodies within `window` seconds are one event.
    """

    def __init__(self, database: Database, window: float) -> None:
        self._database = database
        self._window = window
        self._waiting: list[Waiting] = []
        self._work: asyncio.Task[None] | None = None

    async def store(self, callback: Callback) -> tuple[UUID, bool]:
        """Return the event's id and whether it is new, after the commit.

        Raises Failure UNAVAILABLE, or TimeoutError if the database takes too long.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise Failure(
                Kind.UNAVAILABLE,
                "TOO_MANY_CALLBACKS",
                "Too many callbacks wait for the database; send it again soon",
            )
        answer: asyncio.Future[tuple[UUID, bool]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(callback, answer))
        if self._work is None or self._work.done():
            self._work = background.start(self._store_waiting(), "store callbacks")
        async with asyncio.timeout(ANSWER_WITHIN):
            return await answer

    async def _store_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await self._commit(batch)
            except Exception as error:  # noqa: BLE001 - logged, and the callbacks are retried one by one
                # One callback that the database rejects must not fail the others.
                episodes.record(
                    "callbacks are stored one at a time",
                    "%s callbacks are stored one at a time",
                    len(batch),
                    level=logging.ERROR,
                    error=error,
                )
                for one in batch:
                    await self._commit_alone(one)

    async def _commit(self, batch: Sequence[Waiting]) -> None:
        first, *others = [waiting.callback.trace for waiting in batch]
        attributes = {"esimgo.callbacks": len(batch)}
        try:
            with tracing.child_span("store callbacks", attributes, of=first, links=others):
                async with self._database.system() as connection:
                    callbacks = [waiting.callback for waiting in batch]
                    stored = await store.store(connection, callbacks, self._window)
        except Failure as failure:
            for waiting in batch:
                waiting.fail(failure)
        else:
            for waiting, result in zip(batch, stored, strict=True):
                waiting.succeed(result)

    async def _commit_alone(self, waiting: Waiting) -> None:
        try:
            await self._commit([waiting])
        except Exception as error:  # noqa: BLE001 - logged, and its sender gets 503
            episodes.record(
                "callbacks can't be stored",
                "a callback could not be stored",
                level=logging.ERROR,
                error=error,
            )
            waiting.fail(
                Failure(
                    Kind.UNAVAILABLE,
                    "NOT_STORED",
                    "The callback could not be stored; send it again soon",
                )
            )
