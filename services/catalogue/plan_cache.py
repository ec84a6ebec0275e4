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

# Plans converted at once: this blocks the event loop for some 25 ms.
BATCH = 500
# Cached messages: four times the provider's whole catalogue, some 40 MB.
MAX_MESSAGES = 20_000
# Filters with a cached count; each takes less than 1 kB.
MAX_TOTALS = 1_000
# Filters with cached facets; each takes some 50 kB.
MAX_TALLIES = 200


Message = TypeVar("Message")
Count = TypeVar("Count")


class Counts(Generic[Count]):
    """Caches counts of the most recently used filters until plans change."""

    def __init__(
        self, count: Callable[[Connection, Current, PlanFilter], Awaitable[Count]], limit: int
    ) -> None:
        self._count = count
        self._limit = limit
        self._entries: dict[PlanFilter, tuple[int, Count]] = {}

    async def of(
        self, connection: Connection, current: Current, criteria: Iterable[PlanFilter]
    ) -> list[Count]:
        counts = []
        for one in criteria:
            cached = self._entries.pop(one, None)
            if cached is None or cached[0] != current.revision:
                # If plans change during the count, the revision is outdated at once.
                cached = (current.revision, await self._count(connection, current, one))
            self._entries[one] = cached  # the most recently used is last
            if len(self._entries) > self._limit:
                del self._entries[next(iter(self._entries))]
            counts.append(cached[1])
        return counts


class PlanCache:
    """Caches plan messages, as making one takes ten times as long as finding its row.

    All callers get the same message objects: treat them as read-only.
    """

    def __init__(self) -> None:
        self._overviews: dict[str, tuple[int, Any]] = {}
        self._totals = Counts(_count, MAX_TOTALS)
        self._tallies = Counts(_tally, MAX_TALLIES)
        self._messages: dict[UUID, tuple[datetime, pb.DataPlan]] = {}

    async def messages(
        self, connection: Connection, versions: Sequence[tuple[UUID, datetime]]
    ) -> list[pb.DataPlan]:
        """Return plan messages in the given order; a version is a plan's id and time of last change."""
        if len(self._messages) + len(versions) > MAX_MESSAGES:
            self._messages.clear()
        stale = [plan for plan, changed in versions if not self._has(plan, changed)]
        for start in range(0, len(stale), BATCH):
            for plan in await store.plans_by_ids(connection, stale[start : start + BATCH]):
                self._messages[plan.id] = (plan.updated_at, plan_message(plan))
        return [self._messages[plan][1] for plan, _ in versions]

    async def overview(
        self, connection: Connection, name: str, make: Callable[[Connection], Awaitable[Message]]
    ) -> Message:
        """Return the result of `make`, cached by name until plans change."""
        revision = await store.revision(connection)
        cached = self._overviews.get(name)
        if cached is None or cached[0] != revision:
            # If plans change in the meantime, the revision is outdated at once.
            cached = self._overviews[name] = (revision, await make(connection))
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

    def _has(self, plan: UUID, changed: datetime) -> bool:
        cached = self._messages.get(plan)
        return cached is not None and cached[0] == changed


async def _count(connection: Connection, current: Current, criteria: PlanFilter) -> int:
    if current.snapshot is None or criteria.include_unavailable:
        return await count_plans(connection, criteria)
    return current.snapshot.count(criteria)


async def _tally(connection: Connection, current: Current, criteria: PlanFilter) -> Tally:
    if current.snapshot is None:
        return await tally(connection, criteria)
    return current.snapshot.tally(criteria)
