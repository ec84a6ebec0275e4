"""SQL of the schedule by which the service polls eSIMs; functions take the connection and commit nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from kit.db.database import Connection
from services.esims import store
from services.esims.esim import ESIM


@dataclass(frozen=True, slots=True)
class Due:
    """An eSIM claimed by background work; `until` is when another replica may claim it."""

    esim: ESIM
    count: int
    until: datetime


CLAIM_FOLLOWS = f"""
    update esims.esims
    set follow_at = $1::timestamptz + $2::interval, follow_count = follow_count + 1
    where id in (
        select id from esims.esims
        where follow_at <= $1 order by follow_at limit $3 for update skip locked
    )
    returning {store.COLUMNS}, follow_at, follow_count
"""  # noqa: S608 - constants only


async def claim_follows(
    connection: Connection, now: datetime, lease: timedelta, limit: int
) -> list[Due]:
    """Claim eSIMs whose next poll is due; after a crash they are due again when the lease ends."""
    rows = await connection.fetch(CLAIM_FOLLOWS, now, lease, limit)
    return [Due(store.read_row(row), row["follow_count"], row["follow_at"]) for row in rows]


# After its end, a bundle that the provider still lists as unused or active is polled ever less often.
SCHEDULE_FOLLOWS = """
    with held as (
        select id from esims.esims where id = any($1::uuid[]) order by id for update
    )
    update esims.esims e
    set follow_at = least(n.follow_at, (
        select min(case
            when b.ends > $4 then b.ends
            else $4 + least(greatest($4 - b.ends, interval '10 minutes'), interval '1 day')
        end)
        from (
            select coalesce(ends_at, assigned_at + interval '1 year') + interval '30 seconds' as ends
            from esims.esim_bundles
            where esim_id = e.id and absent_since is null and state in ('queued', 'active')
        ) b
    ))
    from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) as n(id, until, follow_at)
    join held on held.id = n.id
    where e.id = n.id and e.follow_at = n.until
"""


async def schedule_follows(
    connection: Connection, polls: Sequence[tuple[Due, datetime | None]], now: datetime
) -> None:
    """Set the next poll, or none, unless another one was scheduled in the meantime.

    The end of a bundle is polled in any case, as the provider sends no callback for it.
    """
    await connection.execute(
        SCHEDULE_FOLLOWS,
        [due.esim.id for due, _ in polls],
        [due.until for due, _ in polls],
        [at for _, at in polls],
        now,
    )


# Half a minute after the end, as clocks differ. An unused bundle lapses after a year.
FOLLOW_ENDS = """
    update esims.esims e set follow_at = least(e.follow_at, n.ends)
    from (
        select esim_id,
            min(coalesce(ends_at, assigned_at + interval '1 year') + interval '30 seconds') as ends
        from esims.esim_bundles
        where esim_id = any($1::uuid[]) and absent_since is null and state in ('queued', 'active')
            and coalesce(ends_at, assigned_at + interval '1 year') > $2
        group by esim_id
    ) n
    where e.id = n.esim_id and (e.follow_at is null or e.follow_at > n.ends)
"""


async def follow_ends(connection: Connection, ids: Sequence[UUID], now: datetime) -> None:
    """Schedule a poll for when a bundle ends, as the provider sends no callback for it.

    The caller holds locks on the eSIMs' rows.
    """
    await connection.execute(FOLLOW_ENDS, ids, now)


FOLLOW_SOON = """
    update esims.esims set follow_at = least(coalesce(follow_at, $2), $2), follow_count = 0
    where id = any($1::uuid[])
"""


async def follow_soon(connection: Connection, esim_ids: Sequence[UUID], at: datetime) -> None:
    """Schedule a poll of eSIMs at that time or before.

    For several eSIMs, the caller holds locks on their rows.
    """
    await connection.execute(FOLLOW_SOON, esim_ids, at)
