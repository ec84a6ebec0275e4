"""Usage is summed by day before reports are read."""

import asyncio

from kit.db.database import Database
from services.esims.reports import usage_store
from services.esims.usage.sums import UsageSums

SUMMED = "America/St_Johns"


async def sum_up(database: Database) -> None:
    """Sum what is not summed yet, by the days of SUMMED.

    Other databases of the server may have transactions, which rows of later ones wait for.
    """
    worker = UsageSums(database, SUMMED, stop=asyncio.Event())
    while await worker.round() or await waiting(database):
        await asyncio.sleep(0.01)


async def waiting(database: Database) -> bool:
    async with database.system() as connection:
        return await usage_store.summed_until(connection) is not None
