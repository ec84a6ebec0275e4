"""Messages kept in memory, each for as long as the rows that it shows stay as they were."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from kit.db import Connection
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue import store
from services.catalogue.facets import Tally, tally
from services.catalogue.listing import count_plans
from services.catalogue.messages import plan_message
from services.catalogue.plan import PlanFilter
from services.catalogue.stocktaking import Look

# Plans read and turned into messages at once: some 25 ms in which other calls wait.
BATCH = 500
# Plans whose messages are kept: four times the provider's whole catalogue, some 40 MB.
MOST_MESSAGES = 20_000
# Filters whose number of plans is kept; each takes less than 1 kB.
MOST_TOTALS = 1_000
# Filters whose plans are kept counted by each facet; each takes some 50 kB.
MOST_TALLIES = 200


Message = TypeVar("Message")
Count = TypeVar("Count")


class Counts(Generic[Count]):
    """What was counted of the filters that were used last, counted again after plans changed."""

    def __init__(
        self, count: Callable[[Connection, Look, PlanFilter], Awaitable[Count]], most: int
    ) -> None:
        self._count = count
        self._most = most
        self._kept: dict[PlanFilter, tuple[int, Count]] = {}

    async def of(
        self, connection: Connection, look: Look, wanted: Iterable[PlanFilter]
    ) -> list[Count]:
        """Of each filter."""
        counts = []
        for one in wanted:
            kept = self._kept.pop(one, None)
            if kept is None or kept[0] != look.revision:
                # Rows may change right now: then it shows more than its number says, and is made again.
                kept = (look.revision, await self._count(connection, look, one))
            self._kept[one] = kept  # as the newest
            if len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
            counts.append(kept[1])
        return counts


class Shelf:
    """Making the message of a row takes ten times as long as finding the row.

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
        """The plans' messages in the order given; a version is an id and when it last changed."""
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
        """What `make` made of all plans under this name, made again after they changed."""
        revision = await store.revision(connection)
        kept = self._overviews.get(name)
        if kept is None or kept[0] != revision:
            # Rows may change right now: then it shows more than its number says, and is made again.
            kept = self._overviews[name] = (revision, await make(connection))
        message: Message = kept[1]
        return message

    async def total(self, connection: Connection, look: Look, wanted: PlanFilter) -> int:
        """How many plans match."""
        [total] = await self._totals.of(connection, look, [wanted])
        return total

    async def tallies(
        self, connection: Connection, look: Look, wanted: Iterable[PlanFilter]
    ) -> list[Tally]:
        """The plans of each filter, counted by what else they could be filtered by."""
        return await self._tallies.of(connection, look, wanted)

    def _has(self, plan: UUID, changed: datetime) -> bool:
        kept = self._messages.get(plan)
        return kept is not None and kept[0] == changed


async def _count(connection: Connection, look: Look, wanted: PlanFilter) -> int:
    if look.stock is None or wanted.include_unavailable:
        return await count_plans(connection, wanted)
    return look.stock.count(wanted)


async def _tally(connection: Connection, look: Look, wanted: PlanFilter) -> Tally:
    if look.stock is None:
        return await tally(connection, wanted)
    return look.stock.tally(wanted)
