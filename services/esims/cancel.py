"""Marks what came with a cancelled order."""

from dataclasses import replace
from uuid import UUID

from kit.clock import Clock
from kit.db import Database
from services.esims import bundle_store, record, store
from services.esims.esim import ESIM


async def cancel_order_bundles(database: Database, clock: Clock, order_id: UUID) -> list[ESIM]:
    """Marks the order's bundles as revoked, also those not read yet, and gives its eSIMs.

    Repeatable. What was used up before stays so, and bundles of other orders stay in force.
    """
    now = clock.wall()
    async with database.system() as connection:
        esims = await store.lock_order(connection, order_id)
        await bundle_store.revoke_of_order(connection, order_id)
        cancelled = [
            replace(esim, order_cancelled_at=esim.order_cancelled_at or now) for esim in esims
        ]
        return await record.settle(connection, cancelled, now)
