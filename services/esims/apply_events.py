"""Takes in what callbacks tell of eSIMs: each event in a transaction of its own, in any order."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from kit.clock import Clock
from kit.db import Database
from kit.errors import Failure
from services.esims import bundle_store, follow_store, store
from services.esims.bundle_store import Told
from services.esims.events import Event, effect_of
from services.esims.record import settle

logger = logging.getLogger(__name__)

# eSIMs that are worked on at a time: most of the pool's ten connections, and some are left for
# customers.
AT_ONCE = 6


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "APPLIED"
    UNCHANGED = "UNCHANGED"
    READ_QUEUED = "READ_QUEUED"
    UNKNOWN_ESIM = "UNKNOWN_ESIM"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Result:
    """An event's outcome; `detail` says why it FAILED, without secrets."""

    outcome: Outcome
    detail: str = ""


class Events:
    """Applies events. `forget` drops what is cached of an ICCID that something happened to;
    `read_soon` is told when the provider is to be asked.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        forget: Callable[[str], Awaitable[None]],
        read_soon: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._forget = forget
        self._read_soon = read_soon
        self._lane = asyncio.Semaphore(AT_ONCE)

    async def apply(self, events: Sequence[Event]) -> dict[UUID, Result]:
        """The result of each event by its id; those of one eSIM are taken in the given order.

        Raises Failure when the database is away: what was committed until then does no harm again.
        """
        of_esim: defaultdict[str, list[Event]] = defaultdict(list)
        for event in events:
            of_esim[event.iccid].append(event)
        results: dict[UUID, Result] = {}
        lanes = await asyncio.gather(
            *(self._apply_in_order(mine, results) for mine in of_esim.values()),
            return_exceptions=True,
        )
        for error in lanes:
            if isinstance(error, BaseException):
                raise error
        if any(result.outcome is Outcome.READ_QUEUED for result in results.values()):
            self._read_soon()
        return results

    async def _apply_in_order(self, events: Sequence[Event], results: dict[UUID, Result]) -> None:
        async with self._lane:
            for event in events:
                try:
                    results[event.id] = Result(await self._apply_one(event))
                except Failure:
                    raise
                except Exception as error:
                    # One event that we can't bear must not hold up all others.
                    logger.exception("event %s could not be applied", event.id)
                    results[event.id] = Result(Outcome.FAILED, type(error).__name__)
            quiet = (Outcome.UNCHANGED, Outcome.UNKNOWN_ESIM)
            if any(results[event.id].outcome not in quiet for event in events):
                await self._forget(events[0].iccid)

    async def _apply_one(self, event: Event) -> Outcome:
        now = self._clock.wall()
        async with self._database.system() as connection:
            found = await store.lock_iccids(connection, [event.iccid])
            if not found:
                return Outcome.UNKNOWN_ESIM
            esim = found[0]
            bundles = await bundle_store.list_of_esims(connection, [esim.id])
            effect = effect_of(event, esim, bundles)
            if effect.told is not None:
                await bundle_store.upsert(
                    connection, [Told(esim.id, effect.told, event.received_at)]
                )
            changed = effect.told is not None or effect.esim != esim
            if changed:
                await settle(connection, [effect.esim], now)
            if effect.read:
                await follow_store.follow_soon(connection, esim.id, now)
        if effect.read:
            return Outcome.READ_QUEUED
        return Outcome.APPLIED if changed else Outcome.UNCHANGED
