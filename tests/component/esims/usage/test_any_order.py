"""Whatever the order of reports: the samples of a bundle add up to the most that was reported."""

import asyncio

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from services.esims.usage.check import Counts, UsageCheck
from services.esims.usage.sums import UsageSums
from tests.component.esims.usage.parts import MB, START, Reports

ASSIGNMENTS = ("a", "b")
REPORT = st.tuples(
    st.sampled_from(ASSIGNMENTS),
    st.integers(0, 96),  # hours after START
    st.one_of(st.none(), st.integers(0, 1_000)),  # MB
    st.booleans(),  # whether eSIM Go was queried
)


async def test_samples_add_up_in_any_order(reports: Reports) -> None:
    loop = asyncio.get_running_loop()

    @examples(
        max_examples=60,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        reported=st.lists(REPORT, max_size=14),
        step=st.integers(1, 5),
        sum_after=st.sets(st.integers(0, 13), max_size=3),
    )
    def any_order(
        reported: list[tuple[str, int, int | None, bool]], step: int, sum_after: set[int]
    ) -> None:
        work = check(reports, reported, step, sum_after)
        asyncio.run_coroutine_threadsafe(work, loop).result(300)

    await asyncio.to_thread(any_order)


async def check(
    reports: Reports,
    reported: list[tuple[str, int, int | None, bool]],
    step: int,
    sum_after: set[int],
) -> None:
    (esim,) = await reports.parts.deliver()
    worker = UsageSums(reports.parts.database, "America/St_Johns", stop=asyncio.Event(), step=step)
    highest = dict.fromkeys(ASSIGNMENTS, 0)
    for number, (assignment, hours, used, queried) in enumerate(reported):
        await reports.used(
            esim,
            hours,
            None if used is None else used * MB,
            assignment=assignment,
            queried=queried,
        )
        highest[assignment] = max(highest[assignment], used or 0)
        if number in sum_after:
            await worker.round()
    rows = await reports.admin.fetch(
        "select * from esims.usage_samples where esim_id = $1 order by id", esim.id
    )
    for assignment, used in highest.items():
        chain = [row for row in rows if row["assignment_id"] == assignment]
        assert sum(row["bytes"] for row in chain) == used * MB
        ends = [0, *(row["used_bytes"] for row in chain)]
        assert [row["previous_bytes"] for row in chain] == ends[:-1]
        for row in chain:
            assert row["previous_at"] is None or START <= row["previous_at"] <= row["at"]
    found = [d async for d in UsageCheck(reports.parts.database).run(Counts(), check=True)]
    assert found == []
