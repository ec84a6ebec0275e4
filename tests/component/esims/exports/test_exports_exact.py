"""Rows of usage and sums of bundles equal a count in plain Python over samples, visits and bundles."""

import asyncio
import os
from collections import defaultdict
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kit.db.database import Database
from kit.db.exports import rows
from kit.db.reports import ReportsDatabase
from kit.reports.exports import EVERYTHING
from protos.esims.v1 import exports_pb2 as pb
from services.esims.exports import esim_rows, usage_rows
from services.esims.reports.report import Figures
from tests.component.esims.reports.recount import found
from tests.component.esims.reports.summing import SUMMED, sum_up
from tests.component.esims.reports.traveling import (
    JOURNEYS,
    ORGANIZATIONS,
    USES_DATA,
    Journey,
    forget,
    travel,
)
from tests.fixtures.postgres import Databases

EXAMPLES = int(os.environ.get("REPORT_EXAMPLES", "3"))
PARAMETERS = (EVERYTHING.first, EVERYTHING.last, SUMMED)
Key = tuple[str, str, str, str]


async def read(database: Database, cursor: str, query: str, *more: Any) -> list[Any]:
    reading = ReportsDatabase(database, None, owner="esims", needs="")
    async with reading.snapshot() as connection:
        batches = rows(connection, cursor, query, *PARAMETERS, *more)
        return [row async for batch in batches for row in batch]


async def compare_usage(database: Database, admin: Any) -> int:
    wanted: dict[Key, Figures] = defaultdict(Figures)
    for one in await found(admin):
        day = one.at.astimezone(ZoneInfo(SUMMED)).date().isoformat()
        if one.figures.samples or one.figures.visits:
            wanted[day, one.country, one.bundle, one.organization] += one.figures
    whole = [usage_rows.to_proto(row) for row in await read(database, "whole", usage_rows.ALL)]
    shown: dict[Key, pb.UsageRow] = {
        (row.day, row.country, row.bundle_name, row.organization_id): row for row in whole
    }
    assert len(shown) == len(whole)
    assert {
        key: (row.bytes, row.known_bytes, row.samples, row.visits) for key, row in shown.items()
    } == {key: (one.bytes, one.known_bytes, one.samples, one.visits) for key, one in wanted.items()}
    assert [row.day for row in whole] == sorted(row.day for row in whole)
    query = usage_rows.OF_ORGANIZATION
    own = [usage_rows.to_proto(r) for r in await read(database, "own", query, ORGANIZATIONS[0])]
    assert own == [row for row in whole if row.organization_id == str(ORGANIZATIONS[0])]
    return len(whole)


async def compare_esims(database: Database, admin: Any) -> None:
    bundles: dict[str, list[Any]] = defaultdict(list)
    for row in await admin.fetch("select * from esims.esim_bundles"):
        bundles[str(row["esim_id"])].append(row)
    exported = [esim_rows.to_proto(row) for row in await read(database, "esims", esim_rows.ALL)]
    assert {row.id for row in exported} == set(bundles)
    for esim in exported:
        own = bundles[esim.id]
        counted = [
            one
            for one in own
            if one["state"] != "revoked"
            and not one["unlimited"]
            and one["initial_bytes"] is not None
        ]
        assert esim.bundles == len(own)
        assert esim.unlimited_bundles == sum(one["unlimited"] for one in own)
        assert esim.revoked_bundles == sum(one["state"] == "revoked" for one in own)
        assert esim.initial_bytes == sum(one["initial_bytes"] for one in counted)
        assert esim.used_bytes == sum(
            one["initial_bytes"] - one["remaining_bytes"] for one in counted
        )


async def test_exports_equal_a_count(databases: Databases) -> None:
    admin, loop = databases.admin, asyncio.get_running_loop()
    number = 0
    async with databases.open("esims") as database:
        await sum_up(database)

        async def one(journeys: list[Journey]) -> None:
            nonlocal number
            await forget(admin)
            await travel(admin, journeys)
            await sum_up(database)
            number += await compare_usage(database, admin)
            await compare_esims(database, admin)

        @examples(
            max_examples=EXAMPLES,
            suppress_health_check=list(HealthCheck),
            # A smaller example takes as long.
            phases=(Phase.explicit, Phase.generate),
        )
        @given(journeys=st.lists(JOURNEYS, min_size=20, max_size=20))
        @example(journeys=[USES_DATA])
        def journeys(journeys: list[Journey]) -> None:
            asyncio.run_coroutine_threadsafe(one(journeys), loop).result(300)

        await asyncio.to_thread(journeys)
    assert number
