"""Deletes changes that every reader has read long ago."""

import asyncio
import logging
from collections.abc import Collection

from kit.background import Loop
from kit.db.database import Database

logger = logging.getLogger(__name__)

# Seconds between two rounds, and rows of one transaction.
EVERY = 3_600.0
STEP = 1_000
# A restored backup has the transaction ids of another server, which this one may never reach. So its changes
# get the id 0, which puts them first. The recorded deletion is set to the current id, which is higher than
# every earlier cursor, so all readers have to start again.
RESET = """
with reset as (
    update {owner}.outbox set xid = '0' where xid >= pg_snapshot_xmax(pg_current_snapshot()) returning 1
)
update {owner}.outbox_deletions set xid = pg_current_xact_id(), id = 1
where xid >= pg_snapshot_xmax(pg_current_snapshot()) or exists (select from reset)
"""
# The deletion is recorded, so that readers that are too far behind learn of it. Rows that became visible late
# are not read yet, however old they are.
DELETE = """
with old as (
    select o.xid, o.id from {owner}.outbox o
    where o.at < now() - make_interval(days => $1) and o.xid < pg_snapshot_xmin(pg_current_snapshot())
        and (
            o.type <> all($2::text[])
            or exists (
                select from {owner}.outbox n
                where n.subject_id = o.subject_id and n.type = o.type and (n.xid, n.id) > (o.xid, o.id)
            )
        )
    order by o.at limit $3
), deleted as (
    delete from {owner}.outbox o using old where o.id = old.id returning o.xid, o.id
), recorded as (
    update {owner}.outbox_deletions d set xid = l.xid, id = l.id
    from (select xid, id from deleted order by xid desc, id desc limit 1) l
    where (l.xid, l.id) > (d.xid, d.id)
)
select count(*) from deleted
"""


class Deletion:
    """Deletes the changes of one owner that are older than `days`.

    Of the types `keep_newest`, the newest change of each subject stays, so that a reader that starts again
    learns the current state. Safe in several replicas at once.
    """

    def __init__(
        self,
        database: Database,
        owner: str,
        *,
        days: int,
        keep_newest: Collection[str],
        stop: asyncio.Event,
    ) -> None:
        self._database = database
        self._reset = RESET.format(owner=owner)
        self._delete = DELETE.format(owner=owner)
        self._days = days
        self._keep_newest = list(keep_newest)
        self._stop = stop

    def loop(self) -> Loop:
        """Return the loop that deletes every hour."""
        return Loop("delete old changes", self.run, self._stop, every=EVERY)

    async def run(self) -> None:
        """Delete old changes in steps."""
        async with self._database.system() as connection:
            await connection.execute(self._reset)
        deleted, step = 0, STEP
        while step == STEP and not self._stop.is_set():
            async with self._database.system() as connection:
                step = int(
                    await connection.fetchval(self._delete, self._days, self._keep_newest, STEP)
                )
            deleted += step
        if deleted:
            logger.info("%s changes of over %s days ago deleted", deleted, self._days)
