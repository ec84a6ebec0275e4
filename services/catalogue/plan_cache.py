"""Caches plan messages and counts in memory until the rows behind them change."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from kit.db.database import Connection
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue import store
from services.catalogue.facets import Tally, tally
from services.catalogue.list_plans import count_plans
from services.catalogue.messages import plan_message
from services.catalogue.plan import PlanFilter
from services.catalogue.snapshot.refresh import Current

# Plans that are read and converted at once: some 25 ms in which other calls wait.
BATCH = 500
# Plans whose messages are cached: four times the provider's whole catalogue, some 40 MB.
MOST_MESSAGES = 20_000
# Filters whose number of plans is cached; each takes less than 1 kB.
MOST_TOTALS = 1_000
# Filters whose counts by facet are cached; each takes some 50 kB.
MOST_TALLIES = 200


Message = TypeVar("Message")
Count = TypeVar("Count")


class Counts(Generic[Count]):
    """Caches counts of the filters that were used last; they are counted again after plans change."""

    def __init__(
        self, count: Callable[[Connection, Current, PlanFilter], Awaitable[Count]], most: int
    ) -> None:
        self._count = count
        self._most = most
        self._entries: dict[PlanFilter, tuple[int, Count]] = {}

    async def of(
        self, connection: Connection, current: Current, wanted: Iterable[PlanFilter]
    ) -> list[Count]:
        """Return the count of each filter."""
        counts = []
        for one in wanted:
            cached = self._entries.pop(one, None)
            if cached is None or cached[0] != current.revision:
                # If rows change during the count, the revision is outdated at once, and it is counted again.
                cached = (current.revision, await self._count(connection, current, one))
            self._entries[one] = cached  # as the newest
            if len(self._entries) > self._most:
                del self._entries[next(iter(self._entries))]
            counts.append(cached[1])
        return counts


class PlanCache:
    """Caches messages, as making one takes ten times as long as finding its row.

    At some 2 kB a plan this is 10 MB for the provider's whole catalogue. All messages are the same for
    every caller; treat them as read-only.
    """

    def __init__(self) -> None:
        self._overviews: dict[str, tuple[int, Any]] = {}
        self._totals = Counts(_count, MOST_TOTALS)
        self._tallies = Counts(_tally, MOST_TALLIES)
        self._messages: dict[UUID, tuple[datetime, pb.DataPlan]] = {}

    async def messages(
        self, connection: Connection, versions: Sequence[tuple[UUID, datetime]]
    ) -> list[pb.DataPlan]:
        """Return plan messages in the given order; a version is an id and the time of its last change."""
        if len(self._messages) + len(versions) > MOST_MESSAGES:
            self._messages.clear()
        stale = [plan for plan, changed in versions if not self._has(plan, changed)]
        for start in range(0, len(stale), BATCH):
            for plan in await store.plans_by_ids(connection, stale[start : start + BATCH]):
                self._messages[plan.id] = (plan.updated_at, plan_message(plan))
        return [self._messages[plan][1] for plan, _ in versions]

    async def overview(
        self, connection: Connection, name: str, make: Callable[[Connection], Awaitable[Message]]
    ) -> Message:
        """Return the result of `make` that is cached by name; it is made again after plans change."""
        revision = await store.revision(connection)
        cached = self._overviews.get(name)
        if cached is None or cached[0] != revision:
            # If rows change in the meantime, the revision is outdated at once, and it is made again.
            cached = self._overviews[name] = (revision, await make(connection))
        message: Message = cached[1]
        return message

    async def total(self, connection: Connection, current: Current, wanted: PlanFilter) -> int:
        """Return how many plans match."""
        [total] = await self._totals.of(connection, current, [wanted])
        return total

    async def tallies(
        self, connection: Connection, current: Current, wanted: Iterable[PlanFilter]
    ) -> list[Tally]:
        """Return the counts by facet of the plans of each filter."""
        return await self._tallies.of(connection, current, wanted)

    def _has(self, plan: UUID, changed: datetime) -> bool:
        cached = self._messages.get(plan)
        return cached is not None and cached[0] == changed


async def _count(connection: Connection, current: Current, wanted: PlanFilter) -> int:
    if current.snapshot is None or wanted.include_unavailable:
        return await count_plans(connection, wanted)
    return current.snapshot.count(wanted)


async def _tally(connection: Connection, current: Current, wanted: PlanFilter) -> Tally:
    if current.snapshot is None:
        return await tally(connection, wanted)
    return current.snapshot.tally(wanted)
