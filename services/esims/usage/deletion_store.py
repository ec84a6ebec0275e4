"""SQL that deletes old samples and visits; nothing here commits. It needs the lock of `sum_store.take`."""

from datetime import datetime

from kit.db.database import Connection

# Rows that are not summed yet stay, however old.
DELETE_SAMPLES = """
delete from esims.usage_samples where id in (
    select s.id from esims.usage_samples s, esims.usage_watermarks w
    where w.source = 'samples' and s.at < $1 and (s.xid, s.id) <= (w.xid, w.id) order by s.at limit $2
)
"""
DELETE_VISITS = """
delete from esims.visits where id in (
    select v.id from esims.visits v, esims.usage_watermarks w
    where w.source = 'visits' and v.first_seen_at < $1 and v.last_seen_at < $1
        and (v.xid, v.id) <= (w.xid, w.id)
    order by v.first_seen_at limit $2
)
"""
KEPT_SINCE = (
    "update esims.usage_state set kept_since = $1 where kept_since is null or kept_since < $1"
)


async def delete(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most so many samples and as many visits from before a time; return how many."""
    deleted = 0
    for statement in (DELETE_SAMPLES, DELETE_VISITS):
        status = await connection.execute(statement, before, limit)
        deleted += int(status.rpartition(" ")[2])
    if deleted:
        await connection.execute(KEPT_SINCE, before)
    return deleted
