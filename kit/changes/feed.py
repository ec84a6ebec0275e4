"""Reads the changes of one owner from its outbox, in the order in which they became visible.

Rows become visible when their transaction commits, so a reader that remembers the highest id would skip the
rows of a slower transaction. Only rows of transactions that are older than every running one are read, in the
order of their transactions.
"""

from dataclasses import dataclass
from typing import Any

from kit.changes.cursor import START, Cursor, Position
from kit.db.database import Database
from kit.errors import Failure, Kind

READ = """
select o.id, o.xid::text as xid, o.type, o.subject_id, o.organization_id, o.customer_id, o.version, o.body,
    o.at
from {owner}.outbox o
where (o.xid, o.id) > ($1::text::xid8, $2) and o.xid < pg_snapshot_xmin(pg_current_snapshot())
order by o.xid, o.id limit $3
"""
# Rows that are visible but not readable yet, because an older transaction is running, are pending.
STATE = """
select pg_snapshot_xmin(s)::text as oldest, pg_snapshot_xmax(s)::text as next, d.xid::text as xid, d.id,
    exists (
        select from {owner}.outbox o
        where (o.xid, o.id) > ($1::text::xid8, $2) and o.xid < pg_snapshot_xmax(s)
    ) as pending
from pg_current_snapshot() s, {owner}.outbox_deletions d
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Changes after a cursor, and the next cursor. `pending` is True if others will be readable soon."""

    rows: list[Any]
    cursor: Cursor
    pending: bool


class Feed:
    """The changes in the outbox of one owner."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._read = READ.format(owner=owner)
        self._state = STATE.format(owner=owner)

    async def read(self, cursor: Cursor | None, limit: int) -> Page:
        """Return at most `limit` changes after a cursor; None: from the oldest that is stored.

        Raises Failure REFUSED (CHANGES_DELETED) if changes after the cursor were deleted, or if it is one of
        another database, such as before a restore from a backup.
        """
        after = cursor.at if cursor is not None else START
        where = str(after.transaction), after.number
        # One snapshot, so that both statements agree on which transactions are running.
        async with self._database.system(snapshot=True) as connection:
            rows = await connection.fetch(self._read, *where, limit)
            (state,) = await connection.fetch(self._state, *where)
        deleted = Position(int(state["xid"]), state["id"])
        base = cursor.base if cursor is not None else deleted
        if (after < deleted and base < deleted) or after.transaction > int(state["next"]):
            raise Failure(
                Kind.REFUSED,
                "CHANGES_DELETED",
                "Changes after this cursor were deleted; start again without a cursor",
            )
        if rows:
            last = rows[-1]
            position = Position(int(last["xid"]), last["id"])
            return Page(rows, Cursor(position, base), bool(state["pending"]))
        # All older transactions have ended, so nothing can appear before this position.
        reached = Position(int(state["oldest"]), 0)
        reached = after if reached < after else reached
        return Page([], Cursor(reached, base), bool(state["pending"]))
