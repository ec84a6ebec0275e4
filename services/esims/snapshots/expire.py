"""Expires bundles when their known end has passed, and updates their eSIMs, without the provider."""

import logging
from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure
from kit.values.clock import Clock
from services.esims import bundle_store, store
from services.esims.snapshots import record

logger = logging.getLogger(__name__)

# Bundles in one round; the next round follows at once.
BATCH = 100


class BundleExpiry:
    """Expires bundles in the background; every replica may do it, with the same result."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def expire(self) -> int:
        """Expire the bundles that have ended, and return how many eSIMs had such bundles."""
        async with self._database.system() as connection:
            ids = await bundle_store.list_ended(connection, self._clock.wall(), BATCH)
        return sum([await self._expire(esim_id) for esim_id in ids])

    async def _expire(self, esim_id: UUID) -> bool:
        now = self._clock.wall()
        try:
            async with self._database.system() as connection:
                await record.save_with_status(
                    connection, await store.lock(connection, [esim_id]), now
                )
        except Failure:
            raise
        except Exception:
            # One that fails must not keep the others from expiring.
            logger.exception("the ended bundles of eSIM %s could not be expired", esim_id)
            return False
        return True
