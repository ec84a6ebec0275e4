"""Snapshots and callbacks about an eSIM, recorded without a running service."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from services.esims import bundle_store
from services.esims.bundle import Assignment, AssignmentState, Bundle
from services.esims.callbacks.apply import Events, Outcome
from services.esims.callbacks.events import BundleUse, Change, Event
from services.esims.esim import ESIM
from services.esims.snapshots import record
from services.esims.snapshots.record import Snapshot
from tests.component.esims.parts import Parts

GB = 10**9


def assigned(esim: ESIM, state: str, remaining: int | None = GB, number: int = 0) -> Assignment:
    return Assignment(
        id=f"21500{number}",
        name=esim.bundle_name,
        description="",
        reference=f"{esim.order_reference}-{number}",
        state=AssignmentState(state),
        initial_bytes=None if remaining is None else GB,
        remaining_bytes=remaining,
        unlimited=remaining is None,
        assigned_at=esim.created_at,
        started_at=None,
        ends_at=None,
    )


async def ingest(
    parts: Parts, esim: ESIM, *assignments: Assignment, after: int = 1, **fields: object
) -> ESIM:
    """Record a full snapshot that was requested this many seconds after the eSIM was registered."""
    asked_at = esim.created_at + timedelta(seconds=after)
    reading = replace(
        Snapshot(esim.id, asked_at, assignments, listed=True),
        **fields,  # type: ignore[arg-type]  # whatever a test gives
    )
    async with parts.database.system() as connection:
        (stored,) = await record.record(connection, [reading], parts.clock.wall())
    return stored


async def stored_bundles(parts: Parts, esim: ESIM) -> list[Bundle]:
    async with parts.database.system() as connection:
        return await bundle_store.list_of_esims(connection, [esim.id])


async def report(parts: Parts, esim: ESIM, change: Change, after: int) -> Outcome:
    """Apply a callback that was received this many seconds after the eSIM was registered."""
    event = Event(uuid4(), esim.created_at + timedelta(seconds=after), esim.iccid, change)
    applying = Events(parts.database, parts.clock, parts.source.forget, lambda: None)
    return (await applying.apply([event]))[event.id].outcome


def used(esim: ESIM, left: int) -> BundleUse:
    return BundleUse("215000", esim.bundle_name, GB, left, esim.created_at, None, unlimited=False)
