"""Queries the provider about one bundle on one eSIM."""

from kit.db.database import Database
from kit.values.clock import Clock
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM
from services.esims.snapshots.record import Snapshot, record


async def bundle_status(
    database: Database, source: ESIMsDataSource, clock: Clock, esim: ESIM, name: str
) -> None:
    """Record the provider's answer, so that all later answers agree with it.

    Raises Failure NOT_FOUND (BUNDLE_NOT_ON_ESIM), and as the provider is.
    """
    queried_at = clock.wall()
    found = await source.get_bundle_status(esim.iccid, name)
    async with database.system() as connection:
        await record(connection, [Snapshot(esim.id, queried_at, found)], clock.wall())
