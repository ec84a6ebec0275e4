"""Rows that plan lists read in a catalogue twenty times the provider's size: none, or those of one index."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from functools import partial
from typing import Any

import asyncpg
import pytest

from services.catalogue import list_plans, store
from services.catalogue.plan import PlanFilter, PlanOrder, plan_id
from services.catalogue.price_lists import COSTS, PriceList, Source
from services.catalogue.snapshot.bits import STEP
from services.catalogue.snapshot.refresh import BATCH
from services.catalogue.snapshot.snapshot import Snapshot, SnapshotBuilder
from tests.fixtures.postgres import Databases
from tests.fixtures.prices.many_plans import fill
from tests.fixtures.prices.price_lists import LISTS, YEN, set_lists
from tests.fixtures.scans import scans

ROWS = 100_000
SIZE = 20
# Filling takes half a minute on an idle machine.
pytestmark = pytest.mark.timeout(1200)

CHEAP, FAIR = Decimal(8), Decimal(25)
FROM_MEMORY = [
    PlanFilter(),
    PlanFilter(duration_days=30),
    PlanFilter(country="c1", duration_days=7),
    PlanFilter(region="region 3", duration_days=7, max_price=FAIR),
    PlanFilter(bundle_group="Standard Fixed", min_data_mb=10_000),
    PlanFilter(unlimited=True),
    PlanFilter(country="c1", words=("unlimited",)),
    PlanFilter(max_price=CHEAP),
    PlanFilter(min_price=Decimal(20), max_price=Decimal(30)),
    PlanFilter(min_price=Decimal(40), min_data_mb=10_000),
    PlanFilter(country="c0", bundle_group="Standard Fixed"),
    PlanFilter(country="c2", bundle_group="Standard Fixed"),
    PlanFilter(country="c0", max_price=Decimal("2.5")),
    PlanFilter(max_price=Decimal("8.05")),
    PlanFilter(min_price=Decimal("49.99")),
    PlanFilter(words=("country", "150")),
    PlanFilter(words=("1gb", "country", "12")),
    PlanFilter(
        country="c0",
        region="region 0",
        duration_days=30,
        min_price=Decimal(12),
        max_price=Decimal(40),
        unlimited=False,
        bundle_group="Standard Fixed",
        min_data_mb=5_000,
        words=("30", "d"),
    ),
]
# Python instructions: 15 for each row between a stored prefix and a limit (three such rows at most),
# and 100 for each row of the page. Reading every plan would cost four times as much.
STEPS = 3 * 15 * STEP + 100 * SIZE
KEYS: dict[PlanOrder, tuple[str, list[Any]]] = {
    PlanOrder.NAME: ("name", ["esim_5GB"]),
    PlanOrder.PRICE_ASC: ("price", [Decimal(12), "esim_5GB"]),
    PlanOrder.PRICE_DESC: ("price", [Decimal(22), "esim_5GB"]),
    PlanOrder.DURATION_ASC: ("duration", [7, "esim_5GB"]),
    PlanOrder.DATA_DESC: ("data", [5000, "esim_5GB"]),
}


@pytest.fixture
async def full(databases: Databases) -> AsyncIterator[Any]:
    """An anonymous session's connection to full, analyzed tables."""
    await fill(databases.admin, ROWS)
    connection = await asyncpg.connect(databases.url("catalogue"))
    await connection.execute("set role catalogue_user")
    yield connection
    await connection.close()


async def test_lists_of_a_large_catalogue_read_no_more_rows_than_of_a_small_one(
    full: Any, databases: Databases
) -> None:
    await lists_from_memory_read_nothing_and_take_no_more_steps(full)
    await lists_of_all_plans_are_read_from_an_index(full)
    await plans_by_id_or_name_are_looked_up(full)
    await set_lists(databases.admin, LISTS)
    await lists_with_prices_are_read_from_indexes(full)


async def lists_from_memory_read_nothing_and_take_no_more_steps(full: Any) -> None:
    draft, after = SnapshotBuilder(), ""
    read = await scans(full, COSTS.sql(store.FOR_SNAPSHOT), "esim_5GB", BATCH)
    assert read == {"data_plans_by_name": BATCH}
    while rows := await store.plans_for_snapshot(full, COSTS, after, BATCH):
        draft.add(rows)
        after = rows[-1]["name"]
    snapshot = Snapshot(draft, (await store.revision(full)).number)
    assert len(snapshot) == ROWS
    assert set(KEYS) == set(PlanOrder)
    assert await scans(full, store.REVISION) == {"all of revision": 1}
    queries: list[Any] = []
    full.add_query_logger(queries.append)
    for wanted in FROM_MEMORY:
        assert snapshot.count(wanted) > 0, wanted
        for order, (_, key) in KEYS.items():
            for at in (None, key):
                snapshot.page(
                    wanted, order, size=SIZE, after=at
                )  # the first search indexes the text
                await list_plans.list_plans(
                    full,
                    COSTS,
                    wanted,
                    order,
                    snapshot=snapshot,
                    size=SIZE,
                    after=at and list(map(str, at)),
                )
                taken = steps(partial(snapshot.page, wanted, order, size=SIZE, after=at))
                assert 0 < taken < STEPS, (wanted, order, at)
    await asyncio.sleep(0)  # queries are logged in the next turn of the event loop
    assert queries == []
    full.remove_query_logger(queries.append)


def steps(work: Callable[[], Any]) -> int:
    """Count the Python instructions that a call executes, independent of the machine's speed."""
    count = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


async def lists_of_all_plans_are_read_from_an_index(full: Any) -> None:
    queries: list[Any] = []
    full.add_query_logger(queries.append)
    for order, (name, key) in KEYS.items():
        for after in (None, list(map(str, key))):
            await list_plans.list_plans(
                full, COSTS, PlanFilter(), order, snapshot=None, size=SIZE, after=after
            )
            await asyncio.sleep(0)
            read = await scans(full, queries[-1].query, *queries[-1].args)
            [(index, rows)] = read.items()
            assert index in (f"data_plans_by_{name}", "data_plans_name_key"), (order, after)
            assert rows <= SIZE + 1, (order, after, read)
    full.remove_query_logger(queries.append)


async def plans_by_id_or_name_are_looked_up(full: Any) -> None:
    ids = [plan_id(f"esim_{number}") for number in range(50)]
    assert set(await scans(full, COSTS.sql(store.BY_IDS), ids)) == {"data_plans_pkey"}
    find = COSTS.sql(store.FIND_VERSIONS)
    lookups: list[tuple[list[Any], list[Any]]] = [(ids, []), ([], ["esim_7"]), (ids, ["esim_7"])]
    for given in lookups:
        read = await scans(full, find, *given)
        assert not [name for name in read if name.startswith("all of data_plans")], read
        assert sum(read.values()) <= sum(map(len, given)), read


async def lists_with_prices_are_read_from_indexes(full: Any) -> None:
    source = Source(PriceList(YEN.id, YEN.currency))
    queries: list[Any] = []
    full.add_query_logger(queries.append)
    for order, (_, key) in KEYS.items():
        for after in (None, list(map(str, key))):
            await list_plans.list_plans(
                full, source, PlanFilter(), order, snapshot=None, size=SIZE, after=after
            )
            await asyncio.sleep(0)
            read = await scans(full, queries[-1].query, *queries[-1].args)
            # Some plans have equal prices, and one in seven is not sold.
            assert max(read.values()) <= 5 * SIZE, (order, after, read)
    full.remove_query_logger(queries.append)
    ids = [plan_id(f"esim_{number}") for number in range(50)]
    read = await scans(full, source.sql(store.BY_IDS), ids, *source.parameters)
    assert max(read.values(), default=0) <= len(ids), read
    find = source.sql(store.FIND_VERSIONS)
    lookups: list[tuple[list[Any], list[Any]]] = [(ids, []), ([], ["esim_7"])]
    for given in lookups:
        read = await scans(full, find, *given, *source.parameters)
        assert max(read.values(), default=0) <= max(map(len, given)), read
