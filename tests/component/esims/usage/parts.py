"""Usage as callbacks and answers of the provider report it, for tests of samples and their sums."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.esims import bundle_store, store
from services.esims.bundle import Assignment, AssignmentState
from services.esims.bundle_store import Report
from services.esims.callbacks.apply import Events
from services.esims.callbacks.events import Change, Event
from services.esims.esim import ESIM
from tests.component.esims.parts import Parts, wired
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import ProviderSandbox

MB = 1_000_000
GB = 1_000 * MB
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(hours: float) -> datetime:
    """Return the time so many hours after START."""
    return START + timedelta(hours=hours)


class Reports:
    """Stores reports of bundles, as callbacks and refreshes do."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.admin: Any = parts.databases.admin

    async def used(
        self,
        esim: ESIM,
        hours: float,
        used: int | None,
        *,
        assignment: str = "a1",
        initial: int | None = GB,
        queried: bool = False,
        name: str = "",
        unlimited: bool = False,
        started: datetime | None = START,
        state: AssignmentState = AssignmentState.ACTIVE,
    ) -> None:
        """Store a report; `used` None is one without quantities."""
        reported = Assignment(
            id=assignment,
            name=name or esim.bundle_name,
            description="",
            reference="",
            state=state,
            initial_bytes=None if used is None else initial,
            remaining_bytes=None if used is None or initial is None else initial - used,
            unlimited=unlimited,
            assigned_at=None,
            started_at=started,
            ends_at=None,
        )
        async with self.parts.database.system() as connection:
            await store.lock(connection, [esim.id])
            await bundle_store.upsert(
                connection, [Report(esim.id, reported, at(hours))], queried=queried
            )

    async def apply(self, esim: ESIM, *changes: tuple[float, Change]) -> None:
        """Apply callbacks in one call, each received so many hours after START."""
        applying = Events(
            self.parts.database,
            self.parts.clock,
            self.parts.source.forget,
            lambda: None,
            lambda esims: None,
        )
        events = [
            Event(UUID(int=number), at(hours), esim.iccid, change)
            for number, (hours, change) in enumerate(changes, 1)
        ]
        await applying.apply(events)

    async def samples(self) -> list[Any]:
        return list(await self.admin.fetch("select * from esims.usage_samples order by id"))

    async def visits(self) -> list[tuple[str, float, float]]:
        """Return all visits: the country, and the hours after START of both times."""
        rows = await self.admin.fetch("select * from esims.visits order by id")
        return [
            (
                row["country"],
                (row["first_seen_at"] - START) / timedelta(hours=1),
                (row["last_seen_at"] - START) / timedelta(hours=1),
            )
            for row in rows
        ]

    async def first_used(self, esim: ESIM) -> datetime | None:
        found: datetime | None = await self.admin.fetchval(
            "select first_used_at from esims.esims where id = $1", esim.id
        )
        return found


@asynccontextmanager
async def reporting(databases: Databases, provider: ProviderSandbox) -> AsyncIterator[Reports]:
    """Wire the parts of the service."""
    async with wired(databases, provider) as parts:
        yield Reports(parts)
