"""The background work of usage, and how its parts depend on each other."""

import asyncio

from kit.background import Loop
from kit.db.database import Database
from services.esims.usage import older, sums
from services.esims.usage.check import UsageCheck


def loops(
    database: Database, *, time_zone: str, sample_days: int, stop: asyncio.Event
) -> list[Loop]:
    """Make the loops: sums, their check, deletion of samples, and the work on older eSIMs."""
    return [
        sums.UsageSums(database, time_zone, stop=stop, step=sums.STEP).loop(),
        sums.UsageDeletion(database, days=sample_days, stop=stop).loop(),
        UsageCheck(database).loop(stop),
        older.loop(database, stop),
    ]
