"""SQL of the report on bundles that end; nothing here writes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from kit.reports.periods import DAY, Days
from services.esims.bundle_store import WAS_LISTED
from services.esims.reports import usage_store
from services.esims.reports.report import Expiry

# A bundle with an allowance of 0 bytes has no used share: it includes no data.
ENDED = f"""
with ended as (
    select b.unlimited, b.started_at, b.initial_bytes,
        case
            when b.initial_bytes > 0 and not b.unlimited and b.remaining_bytes is not null
            then greatest(b.highest_used_bytes, b.initial_bytes - b.remaining_bytes, 0)
        end as used
    from esims.esim_bundles b
    where b.ended_at >= $1 and b.ended_at < $2
        and {WAS_LISTED.format(row="b")} and ($3::uuid is null or b.organization_id = $3)
), tenths as (
    select least(used * 10 / initial_bytes, 9) as tenth, count(*) as bundles
    from ended where used is not null group by 1
)
select count(*) as ended,
    count(*) filter (where used = 0 or (used is null and started_at is null)) as unused,
    count(*) filter (where unlimited) as unlimited,
    count(*) filter (where not unlimited and used is null) as unknown,
    coalesce(sum(initial_bytes) filter (where used is not null), 0) as included,
    coalesce(sum(least(used, initial_bytes)), 0) as used,
    array(
        select coalesce(t.bundles, 0) from generate_series(0, 9) n left join tenths t on t.tenth = n
        order by n
    ) as shares
from ended
"""  # noqa: S608 - constants only
# The status follows from the bundles: an eSIM that is not EXPIRED or CANCELLED has a bundle that can be used.
DELIVERED = """
select count(*) as delivered,
    count(*) filter (where e.first_used_at is null and e.installed_at is null and e.activated_at is null)
        as never_installed,
    count(*) filter (where e.first_used_at is null and e.status not in ('EXPIRED', 'CANCELLED')) as waiting
from esims.esims e
where e.created_at >= $1 and e.created_at < $2 and e.order_cancelled_at is null
    and ($3::uuid is null or e.organization_id = $3)
"""
AT_RISK = """
select count(*) from esims.esims e
where e.deletion_announced_at is not null and e.provider_state <> 'deactivated'
    and e.status not in ('EXPIRED', 'CANCELLED') and ($1::uuid is null or e.organization_id = $1)
"""


async def expiry(
    connection: Connection,
    days: Days,
    zone: str,
    read_at: datetime,
    organization_id: UUID | None = None,
) -> Expiry:
    """Return the report, which is as of `read_at`; of all eSIMs unless an organization is named."""
    within = await usage_store.beginnings(connection, [days.first, days.last + DAY], zone)
    ended: Any = await connection.fetchrow(ENDED, *within, organization_id)
    delivered: Any = await connection.fetchrow(DELIVERED, *within, organization_id)
    at_risk: int = await connection.fetchval(AT_RISK, organization_id)
    return Expiry(
        days=days,
        time_zone=zone,
        as_of=read_at,
        ended=ended["ended"],
        ended_unused=ended["unused"],
        ended_unlimited=ended["unlimited"],
        ended_unknown=ended["unknown"],
        shares=tuple(ended["shares"]),
        included_bytes=int(ended["included"]),
        used_bytes=int(ended["used"]),
        delivered=delivered["delivered"],
        never_installed=delivered["never_installed"],
        waiting=delivered["waiting"],
        at_risk=at_risk,
    )
