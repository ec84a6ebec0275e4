"""Every cell of a usage report equals a count in plain Python over samples, visits and bundles.

The number of eSIMs is `EXAMPLES` times some twenty; `REPORT_EXAMPLES=100` counts 2,000.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta

from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kit.db.database import Database
from kit.db.reports import ReportsDatabase
from kit.reports.periods import Days, Interval
from services.esims.reports.report import Dimension, Figures, Filter, Wanted
from services.esims.reports.usage import Usage
from services.esims.usage.plans import plan_id
from tests.component.esims.reports.recount import OTHER, Cells, Found, counted, expired, found
from tests.component.esims.reports.summing import SUMMED, sum_up
from tests.component.esims.reports.traveling import (
    BEGIN,
    BUNDLES,
    DAYS,
    JOURNEYS,
    ORGANIZATIONS,
    USES_DATA,
    Journey,
    forget,
    travel,
)
from tests.fixtures.postgres import Databases

EXAMPLES = int(os.environ.get("REPORT_EXAMPLES", "3"))
ZONES = ["UTC", "Asia/Kolkata", SUMMED]
FIRST = BEGIN.date() - timedelta(days=1)
LAST = FIRST + timedelta(days=DAYS + 8)
COUNTRY, PLAN, ORGANIZATION = Dimension
WANTED = st.builds(
    Wanted,
    days=st.tuples(st.integers(0, 8), st.integers(0, 8)).map(
        lambda cut: Days(FIRST + timedelta(days=cut[0]), LAST - timedelta(days=cut[1]))
    ),
    interval=st.sampled_from(list(Interval)),
    time_zone=st.sampled_from(ZONES),
    group_by=st.sampled_from(
        [(), (COUNTRY,), (PLAN,), (ORGANIZATION, COUNTRY), (COUNTRY, PLAN, ORGANIZATION)]
    ),
    filter=st.builds(
        Filter,
        countries=st.sampled_from([(), (), ("FR", "GB")]),
        plans=st.sampled_from([(), (), (BUNDLES[0],), (str(plan_id(BUNDLES[2])), BUNDLES[1])]),
        organization_ids=st.sampled_from([(), (), ORGANIZATIONS[:1]]),
    ),
    first=st.sampled_from([1, 2, 1000]),
)


async def compare(database: Database, wanted: Wanted, rows: Sequence[Found]) -> None:
    usage = Usage(ReportsDatabase(database, None, owner="esims", needs=""), "UTC")
    report = await usage.report(wanted)
    reported: Cells = {}
    for row in report.rows:
        # The label of a plan is the bundle's name, and its value the id.
        group = OTHER if row.other else tuple(one.label for one in row.groups)
        assert (row.days.first, group) not in reported
        reported[row.days.first, group] = row.figures
    expected = counted(rows, wanted)
    assert reported == expected
    assert report.totals == sum(expected.values(), Figures())


async def test_every_cell_equals_a_count_over_samples(databases: Databases) -> None:
    admin, loop = databases.admin, asyncio.get_running_loop()
    samples = ended = 0
    async with databases.open("esims") as database:
        await sum_up(database)

        async def one(journeys: list[Journey], wanted: list[Wanted]) -> None:
            nonlocal samples, ended
            await forget(admin)
            await travel(admin, journeys)
            await sum_up(database)
            rows = await found(admin)
            samples += sum(row.figures.samples for row in rows)
            used = "select coalesce(sum(highest_used_bytes), 0) from esims.esim_bundles"
            assert sum(row.figures.bytes for row in rows) == await admin.fetchval(used)
            sums = await admin.fetchval("select count(*) from esims.usage_by_day")
            assert bool(sums) == any(row.figures.samples or row.figures.visits for row in rows)
            for each in wanted:
                await compare(database, each, rows)
                usage = Usage(ReportsDatabase(database, None, owner="esims", needs=""), "UTC")
                expiry = await usage.expiry(each.days, each.time_zone)
                ended += expiry.ended
                assert expiry == await expired(admin, each.days, each.time_zone, expiry.as_of)

        @examples(
            max_examples=EXAMPLES,
            suppress_health_check=list(HealthCheck),
            # A smaller example takes as long.
            phases=(Phase.explicit, Phase.generate),
        )
        @given(
            journeys=st.lists(JOURNEYS, min_size=20, max_size=20),
            wanted=st.lists(WANTED, min_size=20, max_size=20),
        )
        @example(journeys=[USES_DATA], wanted=[Wanted(Days(FIRST, LAST), Interval.DAY, "UTC")])
        def journeys(journeys: list[Journey], wanted: list[Wanted]) -> None:
            asyncio.run_coroutine_threadsafe(one(journeys, wanted), loop).result(300)

        await asyncio.to_thread(journeys)
    assert samples
    assert ended
