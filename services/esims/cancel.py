"""Revokes the bundles of a cancelled order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from kit.db.database import Database
from kit.values.clock import Clock
from services.esims import bundle_store, store
from services.esims.esim import ESIM
from services.esims.snapshots import follow_store, record


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The revoked part of an order: all of it, or its bundles on the named eSIMs.

    `order_reference` is the provider's, and only needed with ICCIDs.
    """

    order_id: UUID
    iccids: Sequence[str] = ()
    order_reference: str = ""


async def cancel_order_bundles(
    database: Database, clock: Clock, cancelled: Cancelled
) -> list[ESIM]:
    """Mark the order's bundles as revoked, also those not fetched yet, and return its eSIMs.

    Repeatable. A bundle that was used up before stays so, and bundles of other orders stay in force. An
    eSIM that came with another order and was topped up by this one is fetched again.
    """
    now = clock.wall()
    async with database.system() as connection:
        if cancelled.iccids:
            esims = await store.lock_iccids(connection, cancelled.iccids)
            await bundle_store.revoke_of_reference(
                connection, [esim.id for esim in esims], cancelled.order_reference, now
            )
        else:
            esims = await store.lock_order(connection, cancelled.order_id)
            await bundle_store.revoke_of_order(connection, cancelled.order_id, now)
        changed = []
        for esim in esims:
            if esim.order_id == cancelled.order_id:
                changed.append(replace(esim, order_cancelled_at=esim.order_cancelled_at or now))
            else:
                await follow_store.follow_soon(connection, [esim.id], now)
                changed.append(replace(esim, bundles_read_at=None))
        return await record.save_with_status(connection, changed, now)
