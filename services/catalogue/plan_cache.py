"""Caches plan messages and counts in memory until the rows behind them change."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue import store
from services.catalogue.curation.plan_messages import plan_messages
from services.catalogue.facets import Tally, tally
from services.catalogue.language.locales import ENGLISH
from services.catalogue.list_plans import count_plans
from services.catalogue.paging import PlanVersion
from services.catalogue.plan import PlanFilter
from services.catalogue.price_lists import Prices, Source
from services.catalogue.snapshot.refresh import Current

# Plans converted at once: this blocks the event loop for some 25 ms.
BATCH = 500
# Cached messages: the provider's whole catalogue in seven price lists or languages, some 80 MB.
MAX_MESSAGES = 40_000
# Filters with a cached count; each takes less than 1 kB.
MAX_TOTALS = 1_000
# Filters with cached facets; each takes some 50 kB.
MAX_TALLIES = 200
# Cached overviews, of up to 50 kB.
MAX_OVERVIEWS = 100


Message = TypeVar("Message")
Count = TypeVar("Count")
# Plans of a price list in a locale: the version and the message of each.
Messages = dict[UUID, tuple[object, pb.DataPlan]]


class Counts(Generic[Count]):
    """Caches counts of the most recently used filters until plans change."""

    def __init__(
        self, count: Callable[[Connection, Current, PlanFilter], Awaitable[Count]], limit: int
    ) -> None:
        self._count = count
        self._limit = limit
        self._entries: dict[tuple[str, PlanFilter], tuple[int, Count]] = {}

    async def of(
        self, connection: Connection, current: Current, criteria: Iterable[PlanFilter]
    ) -> list[Count]:
        counts = []
        for one in criteria:
            key = (current.source.key, one)
            cached = self._entries.pop(key, None)
            if cached is None or cached[0] != current.revision:
                # If plans change during the count, this revision is outdated and the entry is not used.
                cached = (current.revision, await self._count(connection, current, one))
            self._entries[key] = cached  # the most recently used is last
            if len(self._entries) > self._limit:
                del self._entries[next(iter(self._entries))]
            counts.append(cached[1])
        return counts


class PlanCache:
    """Caches plan messages, as making one takes ten times as long as finding its row.

    All callers get the same message objects: treat them as read-only.
    """

    def __init__(self) -> None:
        # By the price list, the name and the locale.
        self._overviews: dict[tuple[str, str, str], tuple[int, Any]] = {}
        self._totals = Counts(_count, MAX_TOTALS)
        self._tallies = Counts(_tally, MAX_TALLIES)
        # By the price list and the locale.
        self._messages: dict[tuple[str, str], Messages] = {}

    async def messages(
        self,
        connection: Connection,
        source: Source,
        versions: Sequence[PlanVersion],
        locale: str = ENGLISH,
    ) -> list[pb.DataPlan]:
        """Return plan messages in the given order, with texts in a canonical locale.

        Raises Failure UNAVAILABLE if the price list was removed since its plans were listed.
        """
        key = (source.key, locale)
        cached = self._with_room(key, 0)
        stale = [plan for plan, its in versions if not _has(cached, plan, its)]
        if stale:
            cached = self._with_room(key, len(stale))
            stale = [plan for plan, its in versions if not _has(cached, plan, its)]
        for start in range(0, len(stale), BATCH):
            batch = stale[start : start + BATCH]
            plans = await store.plans_by_ids(connection, source, batch)
            if len(plans) < len(batch):
                raise _lists_changed()
            made = await plan_messages(connection, plans, locale)
            for plan, message in zip(plans, made, strict=True):
                cached[plan.id] = (plan.version, message)
        return [cached[plan][1] for plan, _ in versions]

    def _with_room(self, key: tuple[str, str], wanted: int) -> Messages:
        """Return the messages of a price list and locale, after making room for more.

        Others are dropped first, in the order in which they were last used.

        A request that still uses dropped messages has its own reference to them.
        """
        found = self._messages.pop(key, {})
        others = sum(map(len, self._messages.values()))
        while self._messages and others + len(found) + wanted > MAX_MESSAGES:
            others -= len(self._messages.pop(next(iter(self._messages))))
        if len(found) + wanted > MAX_MESSAGES:
            found = {}
        self._messages[key] = found  # the most recently used is last
        return found

    async def overview(
        self,
        connection: Connection,
        prices: Prices,
        name: str,
        make: Callable[[Connection, Source, str], Awaitable[Message]],
        locale: str = ENGLISH,
    ) -> Message:
        """Return the result of `make`, cached by name for a price list and locale until plans change."""
        key = (prices.source.key, name, locale)
        cached = self._overviews.pop(key, None)
        if cached is None or cached[0] != prices.revision:
            # If plans change in the meantime, this revision is outdated and the entry is not used.
            cached = (prices.revision, await make(connection, prices.source, locale))
        self._overviews[key] = cached  # the most recently used is last
        if len(self._overviews) > MAX_OVERVIEWS:
            del self._overviews[next(iter(self._overviews))]
        message: Message = cached[1]
        return message

    async def total(self, connection: Connection, current: Current, criteria: PlanFilter) -> int:
        [total] = await self._totals.of(connection, current, [criteria])
        return total

    async def tallies(
        self, connection: Connection, current: Current, criteria: Iterable[PlanFilter]
    ) -> list[Tally]:
        """Return the counts by facet of the plans of each filter."""
        return await self._tallies.of(connection, current, criteria)


def _lists_changed() -> Failure:
    return Failure(
        Kind.UNAVAILABLE,
        "PRICE_LISTS_CHANGED",
        "The price lists changed while the request was processed; send it again",
    )


def _has(messages: Messages, plan: UUID, version: object) -> bool:
    cached = messages.get(plan)
    return cached is not None and cached[0] == version


async def _count(connection: Connection, current: Current, criteria: PlanFilter) -> int:
    if current.snapshot is None or criteria.include_unavailable:
        return await count_plans(connection, current.source, criteria)
    return current.snapshot.count(criteria)


async def _tally(connection: Connection, current: Current, criteria: PlanFilter) -> Tally:
    if current.snapshot is None:
        return await tally(connection, current.source, criteria)
    return current.snapshot.tally(criteria)
