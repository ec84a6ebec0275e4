"""Checks samples and sums at the end of a run, read from the tables by a superuser."""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg

from tests.chaos.usage.events import AT_PROVIDER, Workload

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

POLL_INTERVAL = 0.25
UNDELIVERED = "select count(*) from webhooks.deliveries where state = 'PENDING'"
UNSUMMED = """
select count(*) from (
    select s.xid, s.id, 'samples' as source from esims.usage_samples s
    union all select v.xid, v.id, 'visits' from esims.visits v
) r join esims.usage_watermarks w using (source) where (r.xid, r.id) > (w.xid, w.id)
"""
# The provider is queried about these eSIMs soon after their callbacks.
UNREAD = """
select count(*) from esims.esims e
where e.iccid = any($1::text[]) and not exists (select from esims.usage_samples s where s.esim_id = e.id)
"""
# The samples of each assignment, by increasing usage.
CHAINS = """
select e.iccid, s.assignment_id, s.used_bytes, s.previous_bytes,
    lag(s.used_bytes) over (partition by s.esim_id, s.assignment_id order by s.used_bytes) as before
from esims.usage_samples s join esims.esims e on e.id = s.esim_id
order by s.esim_id, s.assignment_id, s.used_bytes
"""
SUMS = """
select coalesce(sum(bytes), 0)::bigint as bytes, coalesce(sum(samples), 0)::int as samples,
    coalesce(sum(visits), 0)::int as visits from esims.usage_by_day where time_zone = $1
"""
BY_DAY = """
with recomputed as (
    select (at at time zone $1)::date as day, coalesce(country, '') as country, bundle_name,
        sum(used_bytes - previous_bytes)::bigint as bytes, count(*)::int as samples, 0 as visits
    from esims.usage_samples group by 1, 2, 3
    union all
    select (first_seen_at at time zone $1)::date, country, bundle_name, 0, 0, count(*)::int
    from esims.visits group by 1, 2, 3
), summed as (
    select day, country, bundle_name, sum(bytes)::bigint as bytes, sum(samples)::int as samples,
        sum(visits)::int as visits
    from recomputed group by 1, 2, 3
), stored as (
    select day, country, bundle_name, bytes, samples, visits from esims.usage_by_day
    where time_zone = $1
)
select * from (table summed except table stored) a
union all select * from (table stored except table summed) b
"""


async def settled(admin: Connection, workload: Workload, patience: float) -> str:
    """Wait until all callbacks took effect and all samples are summed.

    Returns a description of the remaining work after `patience` seconds without progress, otherwise "".
    """
    clock = asyncio.get_running_loop().time
    least, since = None, clock()
    while True:
        remaining = (
            await admin.fetchval(UNDELIVERED),
            await admin.fetchval(UNREAD, list(workload.ambiguous)),
            await admin.fetchval(UNSUMMED),
        )
        if not any(remaining):
            return ""
        if least is None or remaining < least:
            least, since = remaining, clock()
        if clock() - since > patience:
            return "not delivered, not read, not summed: {} callbacks, {} eSIMs, {} samples".format(
                *remaining
            )
        await asyncio.sleep(POLL_INTERVAL)


async def faults(admin: Connection, workload: Workload, zone: str) -> list[str]:
    """Return a description of each fault."""
    wrong, last, first = [], dict[str, int](), dict[str, int]()
    of_ambiguous = dict.fromkeys(workload.ambiguous, 0)
    for row in await admin.fetch(CHAINS):
        if row["before"] is not None and row["before"] != row["previous_bytes"]:
            wrong.append(
                f"a sample of {row['assignment_id']} does not begin where the last one ends"
            )
        first.setdefault(row["assignment_id"], row["previous_bytes"])
        if row["iccid"] in of_ambiguous:
            of_ambiguous[row["iccid"]] += row["used_bytes"] - row["previous_bytes"]
        last[row["assignment_id"]] = row["used_bytes"]
    for assignment, used in workload.used.items():
        if last.get(assignment, 0) != used:
            wrong.append(
                f"{assignment} used {used} bytes, but its last sample has {last.get(assignment)}"
            )
    wrong += [
        f"eSIM {iccid} used {AT_PROVIDER} bytes, but its samples have {found}"
        for iccid, found in of_ambiguous.items()
        if found != AT_PROVIDER
    ]
    (sums,) = await admin.fetch(SUMS, zone)
    total = sum(last.values()) - sum(first.values())
    if sums["bytes"] != total:
        wrong.append(
            f"the sums have {sums['bytes']} bytes, the last minus the first samples {total}"
        )
    wrong += [_day(row) for row in await admin.fetch(BY_DAY, zone)]
    return wrong


def _day(row: Any) -> str:
    return (
        f"the sums and the samples of {row['day']}, {row['country'] or 'an unknown country'} and"
        f" {row['bundle_name']} differ: {row['bytes']} bytes, {row['samples']} samples,"
        f" {row['visits']} visits"
    )


async def counts(admin: Connection, zone: str) -> Sequence[tuple[str, str]]:
    """Return how much there is, for the report."""
    (sums,) = await admin.fetch(SUMS, zone)
    return [
        ("samples", f"{sums['samples']}"),
        ("visits", f"{sums['visits']}"),
        ("bytes in the sums", f"{sums['bytes']:,}"),
    ]
