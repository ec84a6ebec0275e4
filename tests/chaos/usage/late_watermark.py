"""An esims service that commits the watermark after the sums, instead of together with them.

It runs in place of the esims service to show that the harness detects samples that are counted twice.
"""

import asyncio

from kit.db.database import Connection
from kit.process.run import run
from services.esims.__main__ import serve
from services.esims.settings import Settings
from services.esims.usage import sum_store, sums
from services.esims.usage.sum_store import Source
from tests.chaos.usage.esims_service import EVERY, STEP

# Seconds between the two commits: longer than all else that a worker does, so most kills fall in between.
BETWEEN = 3.0
MARKS = "select source, xid::text as xid, id from esims.usage_watermarks"
SET_MARK = "update esims.usage_watermarks set xid = $2::text::xid8, id = $3 where source = $1"


class TwoCommits(sums.UsageSums):
    """Commits each watermark separately from its sums, which is the fault."""

    async def round(self) -> bool:
        async with self._database.system() as connection:
            if not await sum_store.take(connection):
                return False
            before = await _marks(connection)
            if self._time_zone not in await sum_store.zones(connection):
                await self._add_zone(connection)
            rows = [await self._sum(connection, source, self._step) for source in Source]
            after = await _marks(connection)
            await connection.executemany(SET_MARK, before)
        if after != before:
            await asyncio.sleep(BETWEEN)
            async with self._database.system() as connection:
                await connection.executemany(SET_MARK, after)
        return self._step in rows


async def _marks(connection: Connection) -> list[tuple[str, str, int]]:
    return [(row["source"], row["xid"], row["id"]) for row in await connection.fetch(MARKS)]


if __name__ == "__main__":
    sums.EVERY, sums.STEP = EVERY, STEP
    sums.UsageSums = TwoCommits  # type: ignore[misc] # the fault itself
    run("esims", 9453, Settings.read, Settings.secrets, serve)
