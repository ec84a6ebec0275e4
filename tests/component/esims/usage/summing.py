"""Sums of usage, and a recount of them in plain Python."""

import asyncio
import random
from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

from services.esims.callbacks.events import CountrySeen
from services.esims.usage.check import Counts, UsageCheck
from services.esims.usage.sums import UsageSums
from tests.component.esims.usage.parts import GB, MB, Reports

SIX_HOURS = 6 * 3600


def sums_in(reports: Reports, zone: str = "UTC", step: int = 2_000) -> UsageSums:
    return UsageSums(reports.parts.database, zone, stop=asyncio.Event(), step=step)


async def sum_all(reports: Reports, zone: str = "UTC", step: int = 2_000) -> None:
    """Run rounds until nothing is left; other tests' databases have transactions on this server too."""
    worker = sums_in(reports, zone, step)
    while await worker.round() or await waiting(reports):
        await asyncio.sleep(0.01)


async def waiting(reports: Reports) -> int:
    return int(
        await reports.admin.fetchval(
            """
            select count(*) from (
                select s.xid, s.id, 'samples' as source from esims.usage_samples s
                union all select v.xid, v.id, 'visits' from esims.visits v
            ) r join esims.usage_watermarks w using (source) where (r.xid, r.id) > (w.xid, w.id)
            """
        )
    )


async def stored(reports: Reports, zone: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    rows = await reports.admin.fetch("select * from esims.usage_by_day where time_zone = $1", zone)
    figures = ("bytes", "known_bytes", "samples", "widest_gap_seconds", "visits")
    return {
        (row["day"], row["country"], row["bundle_name"], row["organization_id"]): tuple(
            row[name] for name in figures
        )
        for row in rows
    }


async def recounted(reports: Reports, zone: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Count all samples and visits again."""
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    widest: dict[tuple[Any, ...], int | None] = {}
    for row in await reports.samples():
        day = row["at"].astimezone(ZoneInfo(zone)).date()
        key = (day, row["country"] or "", row["bundle_name"], row["organization_id"])
        known = row["gap_seconds"] is not None and row["gap_seconds"] <= SIX_HOURS
        sums.setdefault(key, Counter()).update(
            bytes=row["bytes"], known=row["bytes"] if known else 0, samples=1
        )
        gaps = [gap for gap in (widest.get(key), row["gap_seconds"]) if gap is not None]
        widest[key] = max(gaps, default=None)
    for row in await reports.admin.fetch("select * from esims.visits"):
        day = row["first_seen_at"].astimezone(ZoneInfo(zone)).date()
        key = (day, row["country"], row["bundle_name"], row["organization_id"])
        sums.setdefault(key, Counter()).update(visits=1)
    return {
        key: (c["bytes"], c["known"], c["samples"], widest.get(key), c["visits"])
        for key, c in sums.items()
    }


async def differences(reports: Reports) -> list[str]:
    check = UsageCheck(reports.parts.database)
    return [d.message async for d in check.run(Counts(), check=True)]


async def some_use(reports: Reports, seed: int = 1, reports_each: int = 12) -> None:
    """Store reports of several eSIMs over a month with a change of daylight saving."""
    rng = random.Random(seed)
    esims = await reports.parts.deliver(3)
    for esim in esims:
        for assignment in ("a", "b"):
            hours, used = 0.0, 0
            for _ in range(reports_each):
                hours += rng.choice((0.5, 5, 7, 30, 70))
                used = min(GB, used + rng.randrange(0, 90) * MB)
                if rng.random() < 0.4:
                    await reports.apply(esim, (hours, CountrySeen(rng.choice(("FR", "IN", "CA")))))
                queried = rng.random() < 0.5
                await reports.used(
                    esim,
                    hours,
                    used,
                    assignment=assignment,
                    queried=queried,
                    name=f"b_{assignment}",
                )
