"""SQL to export and erase the callbacks about a customer's eSIMs."""

import logging
from collections.abc import Sequence
from uuid import UUID

from kit.db.database import Database
from webhooks import event_store
from webhooks.event_store import Event

logger = logging.getLogger(__name__)

# Bodies searched at a time: callbacks about orders name eSIMs only there.
STEP = 10_000

OF_ESIMS = "select event_id from webhooks.deliveries where iccid = any($1::text[])"
# Rows are numbered in the order of their arrival.
LAST = "select coalesce(max(sequence), 0) from webhooks.deliveries"
# A body may separate the digits of an ICCID, or use two bytes for each character.
IN_BODIES = r"""
select d.event_id from webhooks.deliveries d join webhooks.inbox i on i.id = d.event_id
where d.sequence > $2 and d.sequence <= $2 + $3 and d.iccid is null
    and exists (
        select from unnest($1::text[]) as n(iccid)
        where position(
            n.iccid in translate(replace(encode(i.body, 'escape'), '\000', ''), ' -', '')
        ) > 0
    )
"""
DELETE = "delete from webhooks.inbox where id = any($1::uuid[])"


async def find(database: Database, iccids: Sequence[str]) -> list[UUID]:
    """Return the ids of all callbacks that name one of these eSIMs."""
    async with database.system() as connection:
        found = [row["event_id"] for row in await connection.fetch(OF_ESIMS, iccids)]
        last = await connection.fetchval(LAST)
    for begin in range(0, last, STEP):
        async with database.system() as connection:
            rows = await connection.fetch(IN_BODIES, iccids, begin, STEP)
        found += [row["event_id"] for row in rows]
    return found


async def read(database: Database, event_id: UUID) -> tuple[Event, bytes] | None:
    """Return an event with its raw body; None if it was deleted in the meantime."""
    async with database.system() as connection:
        found = await event_store.get(connection, event_id)
    return None if found is None else found[:2]


async def erase(database: Database, iccids: Sequence[str]) -> int:
    """Delete the callbacks about these eSIMs with their deliveries, and return how many."""
    found = await find(database, iccids)
    async with database.system() as connection:
        await connection.execute(DELETE, found)
    logger.info("%s callbacks about %s eSIMs deleted", len(found), len(iccids))
    return len(found)
