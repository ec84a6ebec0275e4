"""SQL that sums samples and visits by day; nothing here commits.

Every function but `state` needs the lock of `take`: one process at a time changes sums.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from kit.db.database import Connection

# The time of use counts as known if the previous report of the bundle is at most this old, in seconds.
KNOWN_WITHIN = 6 * 3600


class Source(StrEnum):
    """What is summed."""

    SAMPLES = "samples"
    VISITS = "visits"


TABLES: Mapping[Source, str] = {Source.SAMPLES: "usage_samples", Source.VISITS: "visits"}
# The columns of a row that its sums are made of.
FIGURES: Mapping[Source, str] = {
    Source.SAMPLES: """
        s.id, s.xid, s.at, coalesce(s.country, '') as country, s.bundle_name, s.organization_id, s.bytes,
        s.gap_seconds, s.source, 1 as sample, 0 as visit
    """,
    Source.VISITS: """
        s.id, s.xid, s.first_seen_at as at, s.country, s.bundle_name, s.organization_id, 0::bigint as bytes,
        null::bigint as gap_seconds, '' as source, 0 as sample, 1 as visit
    """,
}
TIMES: Mapping[Source, str] = {Source.SAMPLES: "at", Source.VISITS: "first_seen_at"}

TAKE = """
select source, xid >= pg_snapshot_xmax(pg_current_snapshot()) as foreign
from esims.usage_watermarks order by source for update {waits}
"""
AHEAD = """
select exists (
    select from esims.usage_samples where xid >= pg_snapshot_xmax(pg_current_snapshot())
) or exists (
    select from esims.visits where xid >= pg_snapshot_xmax(pg_current_snapshot())
) as ahead
"""
# After a restore, transaction ids are those of another server. Rows that are already summed get the id 0, as
# their order no longer matters. The others get the current id, as if they were written now, so they are
# summed next.
RENUMBER = """
update esims.{table} s
set xid = case
    when (s.xid, s.id) > (w.xid, w.id) or s.id > w.highest_id then pg_current_xact_id() else '0' end
from esims.usage_watermarks w where w.source = $1
"""
RESTART = "update esims.usage_watermarks set xid = '0', id = 9223372036854775807"


async def take(connection: Connection, *, wait: bool = False) -> bool:
    """Lock the sums until the transaction ends; False if another process has the lock, unless `wait`.

    Repairs the order of rows in a database that was restored on another server.
    """
    rows = await connection.fetch(TAKE.format(waits="" if wait else "skip locked"))
    if len(rows) < len(Source):
        return False
    if any(row["foreign"] for row in rows) or await connection.fetchval(AHEAD):
        for source, table in TABLES.items():
            await connection.execute(RENUMBER.format(table=table), source)
        await connection.execute(RESTART)
    return True


@dataclass(frozen=True, slots=True)
class Summed:
    """Rows that were summed: how many samples by source, and their bytes by whether their time is known."""

    rows: int
    bundle_names: Sequence[str]
    samples: Mapping[str, int]
    known_bytes: int
    other_bytes: int


GROUPED = f"""
    z.time_zone, (b.at at time zone z.time_zone)::date as day, b.country, b.bundle_name, b.organization_id,
    sum(b.bytes)::bigint as bytes,
    coalesce(sum(b.bytes) filter (where b.gap_seconds <= {KNOWN_WITHIN}), 0)::bigint as known_bytes,
    sum(b.sample)::integer as samples, max(b.gap_seconds) as widest_gap_seconds,
    sum(b.visit)::integer as visits
"""
COLUMNS = """
    time_zone, day, country, bundle_name, organization_id, bytes, known_bytes, samples, widest_gap_seconds,
    visits
"""
NOBODY = "'00000000-0000-0000-0000-000000000000'"
RAISE = f"""
on conflict (time_zone, day, country, bundle_name, coalesce(organization_id, {NOBODY})) do update set
    bytes = d.bytes + excluded.bytes,
    known_bytes = d.known_bytes + excluded.known_bytes,
    samples = d.samples + excluded.samples,
    widest_gap_seconds = greatest(d.widest_gap_seconds, excluded.widest_gap_seconds),
    visits = d.visits + excluded.visits
"""
# Rows after the watermark. It is read by a subquery, as with a join PostgreSQL would read the whole index up
# to it.
NEXT: Mapping[Source, str] = {
    source: f"""
        (s.xid, s.id) > (
            (select xid from esims.usage_watermarks where source = '{source}'),
            (select id from esims.usage_watermarks where source = '{source}')
        )
    """  # noqa: S608 - constants only
    for source in Source
}
# One statement: its snapshot decides which transactions have ended, and so which rows are next.
SUM = """
with next as materialized (
    select {figures} from esims.{table} s
    where {next} and s.xid < pg_snapshot_xmin(pg_current_snapshot())
    order by s.xid, s.id limit $2
), raised as (
    insert into esims.usage_by_day as d ({columns})
    select {grouped} from next b cross join esims.usage_zones z group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
    {raise_}
), moved as (
    update esims.usage_watermarks w
    set xid = l.xid, id = l.id, highest_id = greatest(w.highest_id, h.id)
    from (select xid, id from next order by xid desc, id desc limit 1) l, (select max(id) as id from next) h
    where w.source = $1
)
select count(*)::int as rows, array_agg(distinct bundle_name) as names,
    count(*) filter (where source = 'CALLBACK')::int as callbacks,
    count(*) filter (where source = 'READ')::int as reads,
    coalesce(sum(bytes) filter (where gap_seconds <= {within}), 0)::bigint as known,
    coalesce(sum(bytes) filter (where gap_seconds > {within} or gap_seconds is null), 0)::bigint as other
from next
"""


async def sum_next(connection: Connection, source: Source, limit: int) -> Summed:
    """Add the next rows to the sums of their days in all zones, and move the watermark past them."""
    statement = SUM.format(
        figures=FIGURES[source],
        table=TABLES[source],
        columns=COLUMNS,
        grouped=GROUPED,
        raise_=RAISE,
        within=KNOWN_WITHIN,
        next=NEXT[source],
    )
    row: Any = await connection.fetchrow(statement, source, limit)
    samples = {"callback": row["callbacks"], "read": row["reads"]}
    return Summed(row["rows"], row["names"] or [], samples, row["known"], row["other"])


SKIP = """
update esims.usage_watermarks w
set xid = s.xid, id = s.id, highest_id = greatest(w.highest_id, s.id)
from (
    select s.xid, s.id from esims.{table} s
    where {next} and s.xid < pg_snapshot_xmin(pg_current_snapshot()) order by s.xid, s.id limit 1
) s
where w.source = $1 returning w.id
"""


async def skip_next(connection: Connection, source: Source) -> int:
    """Move the watermark past the next row without adding it to a sum, and return its id."""
    statement = SKIP.format(table=TABLES[source], next=NEXT[source])
    return int(await connection.fetchval(statement, source))


ADD_PLANS = """
insert into esims.bundle_plans (bundle_name, plan_id) select * from unnest($1::text[], $2::uuid[]) order by 1
on conflict do nothing
"""


async def add_plans(connection: Connection, plans: Mapping[str, UUID]) -> None:
    """Record the plan ids of bundles."""
    await connection.execute(ADD_PLANS, list(plans), list(plans.values()))


ZONES = "select time_zone from esims.usage_zones order by time_zone"
ADD_ZONE = """
insert into esims.usage_zones (time_zone, complete_from)
select $1, (kept_since at time zone $1)::date + 1 from esims.usage_state
"""


async def zones(connection: Connection) -> list[str]:
    """Return the zones in which usage is summed."""
    return [row["time_zone"] for row in await connection.fetch(ZONES)]


async def add_zone(connection: Connection, zone: str) -> None:
    """Add a zone, whose days are still to be summed by `sum_day`."""
    await connection.execute(ADD_ZONE, zone)


# The times of the oldest and the newest stored row, and the time before which rows were deleted. A day can be
# summed again only if all of its samples are stored, whatever zone the day is in.
DAYS = """
select least(
    (select min(at) from esims.usage_samples), (select min(first_seen_at) from esims.visits)
) as first, greatest(
    (select max(at) from esims.usage_samples), (select max(first_seen_at) from esims.visits)
) as last, (select kept_since from esims.usage_state) as kept_since
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """Times of the first and the last stored row, and the time before which rows were deleted."""

    first: datetime | None
    last: datetime | None
    since: datetime | None


async def kept(connection: Connection) -> Kept:
    """Return which samples and visits are stored."""
    row: Any = await connection.fetchrow(DAYS)
    return Kept(row["first"], row["last"], row["kept_since"])


# Sums the rows of a day again that were summed already. Only the last condition is exact, as midnight comes
# twice where clocks are set back then; the others are for indexes.
AGAIN = """
select {grouped} from (
    {rows}
) b cross join (select $1::text as time_zone) z
group by 1, 2, 3, 4, 5
""".format(
    grouped=GROUPED,
    rows=" union all ".join(
        f"""
        select {FIGURES[source]} from esims.{table} s, esims.usage_watermarks w
        where w.source = '{source}' and (s.xid, s.id) <= (w.xid, w.id)
            and s.{TIMES[source]} >= ($2::date)::timestamp at time zone $1 - interval '1 day'
            and s.{TIMES[source]} < ($2::date + 1)::timestamp at time zone $1 + interval '1 day'
            and (s.{TIMES[source]} at time zone $1)::date = $2
        """  # noqa: S608 - constants only
        for source, table in TABLES.items()
    ),
)
CLEAR = "delete from esims.usage_by_day where time_zone = $1 and day = $2"
SUM_DAY = f"insert into esims.usage_by_day ({COLUMNS}) {AGAIN} order by 1, 2, 3, 4, 5"


async def sum_day(connection: Connection, zone: str, day: date) -> None:
    """Sum a day of a zone again."""
    await connection.execute(CLEAR, zone, day)
    await connection.execute(SUM_DAY, zone, day)


DIFFERS = f"""
with again as ({AGAIN}), stored as (
    select {COLUMNS} from esims.usage_by_day where time_zone = $1 and day = $2
)
select count(*)::int as number, coalesce(sum(a.bytes), 0)::bigint as bytes,
    coalesce(sum(s.bytes), 0)::bigint as stored_bytes, coalesce(sum(a.visits), 0)::int as visits,
    coalesce(sum(s.visits), 0)::int as stored_visits
from again a full join stored s
    on s.country = a.country and s.bundle_name = a.bundle_name
    and s.organization_id is not distinct from a.organization_id
where (a.*) is distinct from (s.*)
"""  # noqa: S608 - constants only


async def differs(connection: Connection, zone: str, day: date) -> Any | None:
    """Return how many sums of a day differ from its rows, and both; None if none does."""
    row: Any = await connection.fetchrow(DIFFERS, zone, day)
    return row if row["number"] else None


LAG = f"""
select coalesce(extract(epoch from now() - min(n.at)), 0)::float as lag from (
    (
        select s.received_at as at from esims.usage_samples s where {NEXT[Source.SAMPLES]}
        order by xid, id limit 1
    )
    union all
    (
        select s.last_seen_at from esims.visits s where {NEXT[Source.VISITS]}
        order by xid, id limit 1
    )
) n
"""  # noqa: S608 - constants only


async def lag(connection: Connection) -> float:
    """Return for how many seconds the oldest row has been waiting to be summed; 0 if none is."""
    seconds: float = await connection.fetchval(LAG)
    return max(0.0, seconds)
