"""Records the first use of eSIMs that were delivered before first use was recorded."""

import asyncio
from functools import partial
from typing import Any

from kit.background import Loop
from kit.db.database import Database

# eSIMs of one step, and seconds between steps: callbacks and purchases go on meanwhile.
STEP = 500
PAUSE = 0.2
LOOK_EVERY = 60.0

TAKE = """
select older_until, recorded_since from esims.usage_state where not older_done for update skip locked
"""
# The rows are locked, so that the ids of their changes are in order.
BATCH = """
select id from esims.esims
where created_at <= $1 and id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
order by id limit $3 for update
"""
# A trigger reports the change of each.
USED = """
update esims.esims e set first_used_at = u.at
from (
    select b.esim_id, min(least(b.started_at, b.read_at)) as at from esims.esim_bundles b
    where b.esim_id = any($1::uuid[]) and (
        b.started_at is not null or b.state in ('active', 'depleted')
        or (not b.unlimited and b.initial_bytes > b.remaining_bytes)
    )
    group by b.esim_id
) u
where u.esim_id = e.id and e.first_used_at is null
returning e.id
"""
# The other eSIMs that were installed or used are reported too, although their rows do not change.
REPORT = """
with changes as (
    select nextval('esims.outbox_id_seq') as n, e.id, e.organization_id, e.customer_id,
        esims.esim_change(e) as body
    from esims.esims e
    where e.id = any($1::uuid[]) and e.id <> all($2::uuid[])
        and (e.installed_at is not null or e.first_used_at is not null)
    order by e.id
)
insert into esims.outbox (id, type, subject_id, organization_id, customer_id, version, body)
overriding system value
select c.n, 'esim', c.id, c.organization_id, c.customer_id, c.n, c.body from changes c
"""
DONE_UNTIL = "update esims.usage_state set older_until = $1"
DONE = "update esims.usage_state set older_done = true"


def loop(database: Database, stop: asyncio.Event) -> Loop:
    name = "record the first use of older eSIMs"
    return Loop(name, partial(record, database), stop, every=LOOK_EVERY, rest=PAUSE)


async def record(database: Database, step: int = STEP) -> bool:
    """Record the first use of some older eSIMs, and report each that was installed or used.

    Returns False if another replica is at it, or nothing is left.
    """
    async with database.system() as connection:
        state: Any = await connection.fetchrow(TAKE)
        if state is None:
            return False
        rows = await connection.fetch(BATCH, state["recorded_since"], state["older_until"], step)
        ids = [row["id"] for row in rows]
        used = [row["id"] for row in await connection.fetch(USED, ids)]
        await connection.execute(REPORT, ids, used)
        if len(rows) == step:
            await connection.execute(DONE_UNTIL, ids[-1])
            return True
        await connection.execute(DONE)
    return False
