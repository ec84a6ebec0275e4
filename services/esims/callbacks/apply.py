"""Applies the events of one ApplyEvents call in one transaction; their order doesn't matter."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import zip_longest
from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure
from kit.logs.episodes import Episodes
from kit.values.clock import Clock
from services.esims import bundle_store, store
from services.esims.bundle import by_esim
from services.esims.bundle_store import Report
from services.esims.callbacks.effects import Effect, effect_of
from services.esims.callbacks.events import Event
from services.esims.esim import ESIM
from services.esims.snapshots import follow_store
from services.esims.snapshots.record import save_with_status

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# eSIMs with concurrent transactions when events are applied one by one. The pool's ten connections are also
# for customers.
MAX_CONCURRENT = 6
# The provider's answers may lag behind its callbacks: a query right after a callback could undo its change.
CONFIRM_AFTER = timedelta(seconds=30)


class Outcome(StrEnum):
    """Result of applying an event."""

    APPLIED = "APPLIED"
    UNCHANGED = "UNCHANGED"
    READ_QUEUED = "READ_QUEUED"
    UNKNOWN_ESIM = "UNKNOWN_ESIM"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Result:
    """An event's outcome; `detail` says why it FAILED. `doubted` is an eSIM whose country is uncertain."""

    outcome: Outcome
    detail: str = ""
    doubted: ESIM | None = None


class Events:
    """Applies events.

    `forget` drops the cached values of a changed ICCID, `read_soon` wakes the background work that queries
    the provider, and `locate` gets the eSIMs whose country is uncertain.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        forget: Callable[[str], Awaitable[None]],
        read_soon: Callable[[], None],
        locate: Callable[[Sequence[ESIM]], None] = lambda esims: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._forget = forget
        self._read_soon = read_soon
        self._locate = locate
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)

    async def apply(self, events: Sequence[Event]) -> dict[UUID, Result]:
        """Return the result of each event by its id; events of one eSIM are applied in the given order.

        Raises Failure if the database is unavailable. Some events may be committed then; applying them again
        is safe.
        """
        try:
            results = await self._apply_together(events)
        except Failure:
            raise
        except Exception as error:  # noqa: BLE001 - logged, and each event is retried alone
            # One poison event must not block the rest.
            episodes.record(
                "events are applied one at a time",
                "%s events could not be applied as a batch",
                len(events),
                error=error,
            )
            results = await self._apply_one_by_one(events)
        quiet = (Outcome.UNCHANGED, Outcome.UNKNOWN_ESIM)
        touched = {event.iccid for event in events if results[event.id].outcome not in quiet}
        await asyncio.gather(*map(self._forget, touched))
        if any(result.outcome is Outcome.READ_QUEUED for result in results.values()):
            self._read_soon()
        if doubted := [r.doubted for r in results.values() if r.doubted is not None]:
            self._locate(doubted)
        return results

    async def _apply_one_by_one(self, events: Sequence[Event]) -> dict[UUID, Result]:
        results: dict[UUID, Result] = {}

        async def in_order(events: Sequence[Event]) -> None:
            async with self._slots:
                for event in events:
                    try:
                        results.update(await self._apply_together([event]))
                    except Failure:
                        raise
                    except Exception as error:
                        logger.exception("event %s could not be applied", event.id)
                        results[event.id] = Result(Outcome.FAILED, type(error).__name__)

        ended = await asyncio.gather(
            *(in_order(group) for group in _of_each_esim(events).values()), return_exceptions=True
        )
        for error in ended:
            if isinstance(error, BaseException):
                raise error
        return results

    async def _apply_together(self, events: Sequence[Event]) -> dict[UUID, Result]:
        """Apply events in one transaction, one event of each eSIM at a time."""
        now = self._clock.wall()
        waiting = _of_each_esim(events)
        results = {event.id: Result(Outcome.UNKNOWN_ESIM) for event in events}
        async with self._database.system() as connection:
            esims = {esim.iccid: esim for esim in await store.lock_iccids(connection, [*waiting])}
            changed: set[str] = set()
            to_read: set[UUID] = set()
            to_confirm: set[UUID] = set()
            moved: set[UUID] = set()
            # One event of each eSIM per round, because its next event builds on the effect of this one.
            for batch in zip_longest(*(waiting[iccid] for iccid in esims)):
                reports: list[Report] = []
                seen: list[ESIM] = []
                ids = [esim.id for esim in esims.values()]
                bundles = by_esim(await bundle_store.list_of_esims(connection, ids))
                for event in filter(None, batch):
                    esim = esims[event.iccid]
                    effect = effect_of(event, esim, bundles[esim.id])
                    if effect.reported is not None:
                        reports.append(Report(esim.id, effect.reported, event.received_at))
                    if effect.read:
                        (to_read if effect.reported is None else to_confirm).add(esim.id)
                    moves = effect.esim.last_country_at != esim.last_country_at
                    if esim.id in moved and (moves or effect.reported is not None):
                        # Usage counts in the country where the eSIM was then, and each country is a visit.
                        seen.append(esim)
                        moved.remove(esim.id)
                    if moves:
                        moved.add(esim.id)
                    has_effect = effect.reported is not None or effect.esim != esim
                    if has_effect:
                        changed.add(event.iccid)
                        esims[event.iccid] = effect.esim
                    results[event.id] = Result(
                        _outcome(effect, has_effect=has_effect),
                        doubted=esim if effect.locate else None,
                    )
                if seen:
                    await store.save_countries(connection, seen)
                if reports:
                    await bundle_store.upsert(connection, reports, queried=False)
            if changed:
                await save_with_status(connection, [esims[iccid] for iccid in sorted(changed)], now)
            if to_confirm:
                later = now + CONFIRM_AFTER
                await follow_store.follow_soon(connection, [*to_confirm], later)
            if to_read:
                await follow_store.follow_soon(connection, [*to_read], now)
        return results


def _outcome(effect: Effect, *, has_effect: bool) -> Outcome:
    if effect.read or effect.locate:
        return Outcome.READ_QUEUED
    return Outcome.APPLIED if has_effect else Outcome.UNCHANGED


def _of_each_esim(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Group events by ICCID, each group in the given order."""
    of_esim: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_esim[event.iccid].append(event)
    return of_esim
