"""SQL of usage reports: sums by day, or samples for time zones that are not summed; nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kit.db.database import Connection
from kit.reports.periods import DAY
from kit.reports.statement import AS_OF, BEGINNING, Statement
from services.esims.bundle_store import WAS_LISTED
from services.esims.reports.report import SUMS, Cell, Dimension, Figures, Filter, Wanted
from services.esims.usage.plans import plan_id
from services.esims.usage.sum_store import KNOWN_WITHIN

# The columns of each source, as text and empty for none. Only constants go into statements. Where a bundle
# was started is not recorded.
COUNTRIES = {
    "usage_by_day": "s.country",
    "usage_samples": "coalesce(s.country, '')",
    "visits": "s.country",
    "esim_bundles": "''::text",
}
BUNDLES = {
    "usage_by_day": "s.bundle_name",
    "usage_samples": "s.bundle_name",
    "visits": "s.bundle_name",
    "esim_bundles": "s.name",
}
# Moments of the other sources are compared with those at which periods begin, as this takes a tenth of the
# time of converting each to a day.
PERIODS = {
    "usage_by_day": ("s.day", "date"),
    "usage_samples": ("s.at", "timestamptz"),
    "visits": ("s.first_seen_at", "timestamptz"),
    "esim_bundles": ("s.started_at", "timestamptz"),
}
ZERO = dict.fromkeys(SUMS, "0::bigint") | {"widest_gap": "null::bigint"}
MEASURES: dict[str, dict[str, str]] = {
    "usage_by_day": {
        "bytes": "sum(s.bytes)",
        "known_bytes": "sum(s.known_bytes)",
        "samples": "sum(s.samples)",
        "visits": "sum(s.visits)",
        "widest_gap": "max(s.widest_gap_seconds)",
    },
    "usage_samples": {
        "bytes": "sum(s.bytes)",
        "known_bytes": f"coalesce(sum(s.bytes) filter (where s.gap_seconds <= {KNOWN_WITHIN}), 0)",
        "samples": "count(*)",
        "widest_gap": "max(s.gap_seconds)",
    },
    "visits": {"visits": "count(*)"},
    "esim_bundles": {
        "bundles_started": "count(*)",
        "unlimited_started": "count(*) filter (where s.unlimited)",
    },
}
SOURCE = """
select width_bucket({at}, {starts}::{kind}[]) as period{values}, {measures}
from esims.{source} s
where {at} >= ({starts}::{kind}[])[1] and {at} < {until}{conditions}
group by {keys}
"""
# Groups are those of the whole range, most bytes first.
CELLS = """
with cells as ({sources}),
ranks as (
    select {names}row_number() over (
        order by sum(bytes) desc, sum(bundles_started) desc, sum(visits) desc{ordered}
    ) as rank
    from cells{grouped}
)
select period{shown}, rank > {limit} as other, min(rank) as rank, {sums}, max(widest_gap) as widest_gap
from cells c join ranks r on true{joined}
group by {finals}
order by period, rank
limit {rows}
"""


BEGINNINGS = f"""
select {BEGINNING.format(day="d.day", zone="$2")} as at
from unnest($1::date[]) with ordinality d (day, n) order by d.n
"""  # noqa: S608 - only a constant goes in


async def beginnings(connection: Connection, days: Sequence[date], zone: str) -> list[datetime]:
    """Return when days begin in a zone, as PostgreSQL knows it, which also sums the days."""
    return [row["at"] for row in await connection.fetch(BEGINNINGS, days, zone)]


async def cells(
    connection: Connection,
    wanted: Wanted,
    zone: str,
    starts: Sequence[date],
    *,
    summed: bool,
    limit: int,
) -> list[Cell]:
    """Return the figures by period and group, at most `limit`; `summed` reads sums by day."""
    after = wanted.days.last + DAY
    moments = await beginnings(connection, [*starts, after], zone)
    bundles = await _bundles(connection, wanted.filter.plans, moments[0], moments[-1])
    given = Statement()
    names = [f"v{n}" for n in range(len(wanted.group_by))]
    limited = given.add(wanted.first)
    bounds = {"timestamptz": (given.add(moments[:-1]), given.add(moments[-1]))}
    if summed:
        bounds["date"] = (given.add(list(starts)), given.add(after))
    conditions = _Conditions(given, wanted.filter, bundles)
    sources = ["usage_by_day"] if summed else ["usage_samples", "visits"]
    query = CELLS.format(
        sources=" union all ".join(
            _source(wanted, name, *bounds[PERIODS[name][1]], conditions.of(name))
            for name in [*sources, "esim_bundles"]
        ),
        sums=", ".join(f"sum({name}) as {name}" for name in SUMS),
        names="".join(f"{name}, " for name in names),
        ordered=_listed([f'{name} collate "C"' for name in names]),
        grouped=f" group by {', '.join(names)}" if names else "",
        shown=_listed(
            [f"case when rank <= {limited} then c.{n} else '' end as {n}" for n in names]
        ),
        limit=limited,
        joined="".join(f" and r.{name} = c.{name}" for name in names),
        finals=", ".join(map(str, range(1, 3 + len(names)))),
        rows=given.add(limit),
    )
    return [_cell(row, names) for row in await connection.fetch(query, *given.values)]


def _source(wanted: Wanted, source: str, starts: str, until: str, conditions: str) -> str:
    at, kind = PERIODS[source]
    values = [f"{_values(source)[one]} as v{n}" for n, one in enumerate(wanted.group_by)]
    measures = {**ZERO, **MEASURES[source]}
    return SOURCE.format(
        at=at,
        kind=kind,
        starts=starts,
        until=f"{until}::{kind}",
        source=source,
        values=_listed(values),
        measures=", ".join(f"{measures[name]} as {name}" for name in (*SUMS, "widest_gap")),
        conditions=conditions,
        keys=", ".join(map(str, range(1, 2 + len(values)))),
    )


def _values(source: str) -> dict[Dimension, str]:
    return {
        Dimension.COUNTRY: COUNTRIES[source],
        Dimension.PLAN: BUNDLES[source],
        Dimension.ORGANIZATION: "coalesce(s.organization_id::text, '')",
    }


class _Conditions:
    """The conditions of a filter; their parameters are added once."""

    def __init__(self, given: Statement, wanted: Filter, bundles: Sequence[str]) -> None:
        self._countries = given.add(list(wanted.countries)) if wanted.countries else ""
        self._bundles = given.add(list(bundles)) if wanted.plans else ""
        ids = wanted.organization_ids
        self._organizations = given.add(list(ids)) if ids else ""

    def of(self, source: str) -> str:
        found = ""
        if self._countries:
            found += f" and {COUNTRIES[source]} = any({self._countries}::text[])"
        if self._bundles:
            found += f" and {BUNDLES[source]} = any({self._bundles}::text[])"
        if self._organizations:
            found += f" and s.organization_id = any({self._organizations}::uuid[])"
        if source == "esim_bundles":
            found += f" and {WAS_LISTED.format(row='s')}"
        return found


# `bundle_plans` lists the names of summed rows. The few samples and visits that are not summed yet may have
# others.
NAMES = """
select p.bundle_name as name from esims.bundle_plans p
union select b.name from esims.esim_bundles b where b.started_at >= $1 and b.started_at < $2
union select u.bundle_name from esims.usage_samples u
join esims.usage_watermarks w on w.source = 'samples' and (u.xid, u.id) > (w.xid, w.id)
union select v.bundle_name from esims.visits v
join esims.usage_watermarks w on w.source = 'visits' and (v.xid, v.id) > (w.xid, w.id)
"""


async def _bundles(
    connection: Connection, plans: Sequence[str], first: datetime, until: datetime
) -> list[str]:
    """Return the names of the bundles that a filter names, or whose plan it names.

    A plan's id is a hash of the bundle's name, which PostgreSQL can't compute.
    """
    if not plans:
        return []
    named = set(plans)
    names = [row["name"] for row in await connection.fetch(NAMES, first, until)]
    return [name for name in names if named & {name, str(plan_id(name))}]


def _listed(items: Sequence[str]) -> str:
    return "".join(f", {item}" for item in items)


def _cell(row: Any, names: Sequence[str]) -> Cell:
    return Cell(
        period=row["period"] - 1,
        values=tuple(row[name] for name in names),
        other=row["other"],
        figures=Figures(
            **{name: int(row[name]) for name in SUMS}, widest_gap=int(row["widest_gap"] or 0)
        ),
    )


ZONES = "select time_zone, complete_from from esims.usage_zones"
STATE = f"""
select s.recorded_since, s.kept_since, {AS_OF} as read_at from esims.usage_state s
"""  # noqa: S608 - only a constant goes in
# The oldest sample or visit that is not summed yet; there are nearly always few.
WAITING = """
select min(at) from (
    select min(u.received_at) as at from esims.usage_samples u
    join esims.usage_watermarks w on w.source = 'samples' and (u.xid, u.id) > (w.xid, w.id)
    union all
    select min(v.first_seen_at) from esims.visits v
    join esims.usage_watermarks w on w.source = 'visits' and (v.xid, v.id) > (w.xid, w.id)
) waiting
"""


@dataclass(frozen=True, slots=True)
class State:
    """What is recorded. `zones` are the summed time zones with the first day that is complete; None: all are.

    Samples from before `deleted_until` were deleted; None: none were.
    """

    zones: dict[str, date | None]
    recorded_since: datetime
    deleted_until: datetime | None
    read_at: datetime

    def sums(self, zone: str, day: date) -> bool:
        """True if the days of a zone are summed from this day on."""
        if zone not in self.zones:
            return False
        first = self.zones[zone]
        return first is None or first <= day


async def state(connection: Connection) -> State:
    """Return what is recorded."""
    row: Any = await connection.fetchrow(STATE)
    zones = {one["time_zone"]: one["complete_from"] for one in await connection.fetch(ZONES)}
    return State(zones, row["recorded_since"], row["kept_since"], row["read_at"])


async def summed_until(connection: Connection) -> datetime | None:
    """Return when the first sample was recorded that is not summed yet; None if all are."""
    found: datetime | None = await connection.fetchval(WAITING)
    return found
