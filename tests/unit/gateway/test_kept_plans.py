"""Plans are kept in memory only while changes of the catalogue are reported."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from gateway.upstream import kept_plans
from gateway.upstream.batches import Loader, Progress
from gateway.upstream.kept_plans import KeptPlans
from protos.catalogue.v1 import catalogue_pb2 as pb


class Catalogue:
    """Answers with the current title of each plan, except for unknown ones; records the ids of each call."""

    def __init__(self) -> None:
        self.title = "first"
        self.calls: list[list[str]] = []
        self.may = asyncio.Event()
        self.may.set()

    async def read(self, ids: list[str]) -> Sequence[pb.DataPlan]:
        self.calls.append(ids)
        plans = [pb.DataPlan(id=id_, title=self.title) for id_ in ids if id_ != "unknown"]
        await self.may.wait()
        return plans


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture
def plans() -> KeptPlans:
    kept = KeptPlans()
    kept.changed()
    return kept


async def titles(plans: KeptPlans, catalogue: Catalogue, *ids: str) -> list[str | None]:
    loader = Loader[str, pb.DataPlan | None](
        partial(plans.read, catalogue.read), Progress(), plans.get
    )
    found = await loader.many(ids)
    return [None if plan is None else plan.title for plan in found]


async def test_a_plan_is_read_once(plans: KeptPlans, catalogue: Catalogue) -> None:
    assert await titles(plans, catalogue, "a", "b") == ["first", "first"]
    assert await titles(plans, catalogue, "b", "c", "a") == ["first"] * 3
    assert catalogue.calls == [["a", "b"], ["c"]]


async def test_an_unknown_plan_is_not_cached(plans: KeptPlans, catalogue: Catalogue) -> None:
    for _ in range(2):
        assert await titles(plans, catalogue, "unknown", "a") == [None, "first"]
    assert catalogue.calls == [["unknown", "a"], ["unknown"]]


async def test_a_change_makes_all_plans_be_read_again(
    plans: KeptPlans, catalogue: Catalogue
) -> None:
    await titles(plans, catalogue, "a")
    catalogue.title = "second"
    plans.changed()
    assert await titles(plans, catalogue, "a") == ["second"]


@pytest.mark.parametrize("watched", [True, False])
async def test_a_plan_that_was_read_before_a_change_is_not_cached_after_it(
    plans: KeptPlans, catalogue: Catalogue, watched: bool
) -> None:
    catalogue.may.clear()
    early = asyncio.ensure_future(titles(plans, catalogue, "a"))
    while not catalogue.calls:
        await asyncio.sleep(0)
    catalogue.title = "second"
    if not watched:
        plans.unwatched()
    plans.changed()
    catalogue.may.set()
    assert await early == ["first"]
    assert await titles(plans, catalogue, "a") == ["second"]


async def test_no_plan_is_cached_while_changes_are_not_reported(
    plans: KeptPlans, catalogue: Catalogue
) -> None:
    await titles(plans, catalogue, "a")
    plans.unwatched()
    for title in ("second", "third"):
        catalogue.title = title
        assert await titles(plans, catalogue, "a") == [title]


async def test_the_number_of_plans_is_limited(
    plans: KeptPlans, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_plans, "MAX_PLANS", 2)
    for ids in (["a", "b"], ["c"], ["c"], ["a", "b", "c", "d"]):
        assert await titles(plans, catalogue, *ids) == ["first"] * len(ids)
    # "c" didn't fit, so all others were forgotten.
    assert catalogue.calls == [["a", "b"], ["c"], ["a", "b", "d"]]
