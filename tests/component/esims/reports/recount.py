"""Counts usage in plain Python, over all samples, visits and bundles."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from kit.reports.periods import Days, starts
from services.esims.reports.report import Dimension, Expiry, Figures, Wanted
from services.esims.usage.plans import plan_id

SIX_HOURS = 6 * 3_600
Cells = dict[tuple[date, tuple[str, ...]], Figures]
OTHER = ("(other)",)


@dataclass(frozen=True, slots=True)
class Found:
    """Something that a report counts."""

    at: datetime
    country: str
    bundle: str
    organization: str
    figures: Figures

    def value(self, dimension: Dimension) -> str:
        if dimension is Dimension.COUNTRY:
            return self.country
        return self.bundle if dimension is Dimension.PLAN else self.organization


async def found(admin: Any) -> list[Found]:
    """Return everything that reports count."""

    def one(at: datetime, country: str | None, name: str, row: Any, **figures: int) -> Found:
        organization = str(row["organization_id"] or "")
        return Found(at, country or "", name, organization, Figures(**figures))

    rows: list[Found] = []
    for row in await admin.fetch("select * from esims.usage_samples"):
        used = row["used_bytes"] - row["previous_bytes"]
        gap = None if row["previous_at"] is None else row["at"] - row["previous_at"]
        rows.append(
            one(
                row["at"],
                row["country"],
                row["bundle_name"],
                row,
                bytes=used,
                known_bytes=used if gap is not None and _seconds(gap) <= SIX_HOURS else 0,
                samples=1,
                widest_gap=0 if gap is None else _seconds(gap),
            )
        )
    for row in await admin.fetch("select * from esims.visits"):
        rows.append(one(row["first_seen_at"], row["country"], row["bundle_name"], row, visits=1))
    query = "select * from esims.esim_bundles where started_at is not null"
    for row in await admin.fetch(query):
        unlimited = int(row["unlimited"])
        rows.append(
            one(
                row["started_at"],
                "",
                row["name"],
                row,
                bundles_started=1,
                unlimited_started=unlimited,
            )
        )
    return rows


def _seconds(gap: timedelta) -> int:
    """Round half up."""
    return (gap + timedelta(milliseconds=500)) // timedelta(seconds=1)


def counted(rows: Sequence[Found], wanted: Wanted) -> Cells:
    """Return what the report has to say."""
    zone = ZoneInfo(wanted.time_zone)
    first_days = starts(wanted.days, wanted.interval)
    given = wanted.filter
    cells: Cells = defaultdict(Figures)
    whole: dict[tuple[str, ...], Figures] = defaultdict(Figures)
    for one in rows:
        day = one.at.astimezone(zone).date()
        if not wanted.days.first <= day <= wanted.days.last:
            continue
        if given.countries and one.country not in given.countries:
            continue
        if given.plans and not {one.bundle, str(plan_id(one.bundle))} & set(given.plans):
            continue
        if given.organization_ids and one.organization not in map(str, given.organization_ids):
            continue
        group = tuple(one.value(dimension) for dimension in wanted.group_by)
        cells[max(start for start in first_days if start <= day), group] += one.figures
        whole[group] += one.figures
    ranked = sorted(
        whole,
        key=lambda group: (
            -whole[group].bytes,
            -whole[group].bundles_started,
            -whole[group].visits,
            group,
        ),
    )
    folded: Cells = defaultdict(Figures)
    for (period, group), figures in cells.items():
        own = ranked.index(group) < wanted.first
        folded[period, group if own else OTHER] += figures
    if not wanted.group_by:
        for day in first_days:
            folded.setdefault((day, ()), Figures())
    return dict(folded)


ENDED = ("depleted", "expired", "lapsed")


async def expired(admin: Any, days: Days, time_zone: str, read_at: datetime) -> Expiry:
    """Return what the report on bundles that ended has to say."""
    zone = ZoneInfo(time_zone)

    def within(at: datetime | None) -> bool:
        return at is not None and days.first <= at.astimezone(zone).date() <= days.last

    bundles = await admin.fetch("select * from esims.esim_bundles")
    ended = [row for row in bundles if row["state"] in ENDED and within(_end(row))]
    measured = [
        row for row in ended if not row["unlimited"] and row["initial_bytes"] and _left(row)
    ]
    tenths = [min(9, row["highest_used_bytes"] * 10 // row["initial_bytes"]) for row in measured]
    esims = {row["id"]: row for row in await admin.fetch("select * from esims.esims")}
    delivered = [
        row
        for row in esims.values()
        if within(row["created_at"]) and row["order_cancelled_at"] is None
    ]
    of_bundle = {row["esim_id"]: row for row in bundles}
    usable = [row for row in esims.values() if row["status"] == "ASSIGNED"]
    return Expiry(
        days=days,
        time_zone=time_zone,
        as_of=read_at,
        ended=len(ended),
        ended_unused=sum(
            row["highest_used_bytes"] == 0 if row in measured else row["started_at"] is None
            for row in ended
        ),
        ended_unlimited=sum(row["unlimited"] for row in ended),
        ended_unknown=sum(not row["unlimited"] and row not in measured for row in ended),
        shares=tuple(tenths.count(n) for n in range(10)),
        included_bytes=sum(row["initial_bytes"] for row in measured),
        used_bytes=sum(row["highest_used_bytes"] for row in measured),
        delivered=len(delivered),
        never_installed=sum(
            row["installed_at"] is None and not _used(of_bundle[row["id"]]) for row in delivered
        ),
        waiting=sum(row in usable and not _used(of_bundle[row["id"]]) for row in delivered),
        at_risk=sum(row["deletion_announced_at"] is not None for row in usable),
    )


def _used(bundle: Any) -> bool:
    return bundle["started_at"] is not None or bundle["state"] == "depleted"


def _left(row: Any) -> bool:
    return row["remaining_bytes"] is not None


def _end(row: Any) -> datetime:
    """Return when a bundle ended, from what the journeys wrote."""
    known: datetime = row["read_at"]
    return known if row["state"] == "depleted" else (row["ends_at"] or known)
