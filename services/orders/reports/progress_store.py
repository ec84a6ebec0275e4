"""SQL of what the esims service reports of eSIMs; functions take the connection and commit nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kit.db.database import Connection


@dataclass(frozen=True, slots=True)
class Progress:
    """When an eSIM was installed and first used, None for not yet, after its change number `version`."""

    esim_id: UUID
    order_id: UUID
    installed_at: datetime | None
    first_used_at: datetime | None
    version: int


# Sorted, so that two transactions lock rows in the same order.
APPLY = """
insert into orders.esim_progress as p (esim_id, order_id, installed_at, first_used_at, version)
select n.esim_id, n.order_id, n.installed_at, n.first_used_at, n.version
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::bigint[])
    as n(esim_id, order_id, installed_at, first_used_at, version)
order by n.esim_id
on conflict (esim_id) do update
set order_id = excluded.order_id, installed_at = excluded.installed_at,
    first_used_at = excluded.first_used_at, version = excluded.version
where p.version < excluded.version
"""


async def apply(connection: Connection, progress: Sequence[Progress]) -> None:
    """Record progress in any order; a version that is not higher than the recorded one is ignored."""
    newest: dict[UUID, Progress] = {}
    for one in progress:
        if one.esim_id not in newest or newest[one.esim_id].version < one.version:
            newest[one.esim_id] = one
    rows = list(newest.values())
    await connection.execute(
        APPLY,
        [row.esim_id for row in rows],
        [row.order_id for row in rows],
        [row.installed_at for row in rows],
        [row.first_used_at for row in rows],
        [row.version for row in rows],
    )


CURSOR = "select cursor from orders.change_cursors where source = $1"


async def cursor(connection: Connection, source: str) -> str:
    """Return up to where the changes of another owner are applied; empty at first."""
    return str(await connection.fetchval(CURSOR, source) or "")


SET_CURSOR = """
insert into orders.change_cursors as c (source, cursor, complete_at)
values ($1, $2, case when $3 then now() end)
on conflict (source) do update
set cursor = excluded.cursor, updated_at = now(),
    complete_at = case when $3 then now() when excluded.cursor <> '' then c.complete_at end
"""


async def set_cursor(connection: Connection, source: str, cursor: str, *, complete: bool) -> None:
    """Store the cursor; `complete` if no further changes were readable. An empty one starts again."""
    await connection.execute(SET_CURSOR, source, cursor, complete)


COMPLETE_AT = "select complete_at from orders.change_cursors where source = $1"


async def complete_at(connection: Connection, source: str) -> datetime | None:
    """Return up to when all changes are applied; None while that is not known."""
    found: datetime | None = await connection.fetchval(COMPLETE_AT, source)
    return found
