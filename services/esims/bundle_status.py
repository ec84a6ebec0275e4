"""Asks the provider about one bundle on one eSIM, now."""

from kit.clock import Clock
from kit.db import Database
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM
from services.esims.record import Reading, record


async def bundle_status(
    database: Database, source: ESIMsDataSource, clock: Clock, esim: ESIM, name: str
) -> None:
    """Takes in what the provider says of it, so that all answers agree.

    Raises Failure NOT_FOUND (BUNDLE_NOT_ON_ESIM), and as the provider is.
    """
    asked_at = clock.wall()
    found = await source.get_bundle_status(esim.iccid, name)
    async with database.system() as connection:
        await record(connection, [Reading(esim.id, asked_at, found)], clock.wall())
