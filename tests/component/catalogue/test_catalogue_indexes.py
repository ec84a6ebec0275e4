"""Which index answers which list, by the planner's own choice, with twenty times the provider's catalogue."""

import sys
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from functools import partial
from typing import Any

import asyncpg
import pytest

from services.catalogue import facets, listing, statements, store
from services.catalogue.bits import RUNG
from services.catalogue.listing import READ_FOR_EACH, count_plans
from services.catalogue.plan import PlanFilter, PlanOrder, plan_id
from services.catalogue.stock import Draft, Stock
from services.catalogue.stocktaking import BATCH
from tests.fixtures.many_plans import fill
from tests.fixtures.postgres import Databases
from tests.fixtures.scans import scans

ROWS = 100_000
SIZE = 20
# Rows that a page may read: those that are looked at one by one, or else itself and the next one.
AHEAD, ALONE = READ_FOR_EACH * (SIZE + 1), SIZE + 1
# Filling takes half a minute where nothing else runs.
pytestmark = pytest.mark.timeout(1200)

CHEAP, FAIR = Decimal(8), Decimal(25)
# A page of these is read from an index as it lies, whatever the order.
EXACT = {
    PlanFilter(): "data_plans_by_{}",
    PlanFilter(duration_days=30): "data_plans_by_duration_and_{}",
    PlanFilter(country="c1"): "plan_places_by_{}",
    PlanFilter(country="c1", duration_days=7): "plan_places_by_duration_and_{}",
    PlanFilter(region="region 3"): "plan_places_by_{}",
    PlanFilter(region="region 3", duration_days=7): "plan_places_by_duration_and_{}",
    PlanFilter(bundle_group="Standard Fixed"): "plan_places_by_{}",
    PlanFilter(unlimited=True): "plan_places_by_{}",
    PlanFilter(unlimited=True, duration_days=30): "plan_places_by_duration_and_{}",
}
# Those that leave a condition open read ahead in the same indexes.
AHEAD_OF = {
    PlanFilter(country="c1", max_price=FAIR): "plan_places_by_{}",
    PlanFilter(country="c1", unlimited=True): "plan_places_by_{}",
    PlanFilter(
        region="region 3", duration_days=7, max_price=FAIR
    ): "plan_places_by_duration_and_{}",
    PlanFilter(bundle_group="Standard Fixed", min_data_mb=10_000): "plan_places_by_{}",
    PlanFilter(words=("country", "30")): "data_plans_by_{}",
    PlanFilter(country="c1", words=("unlimited",)): "plan_places_by_{}",
}
# Those by price alone read a page of each band of price; there are twice as many as ends of bands, and one.
BANDED = [
    PlanFilter(max_price=CHEAP),
    PlanFilter(max_price=FAIR),
    PlanFilter(min_price=Decimal(50)),
    PlanFilter(min_price=Decimal(20), max_price=Decimal(30)),
    PlanFilter(max_price=CHEAP, duration_days=7),
    PlanFilter(min_price=Decimal(40), min_data_mb=10_000),
]
BANDS = 67
# What no index answers well, and memory does: places with groups, rare prices, limits between two ends
# of bands, texts, and everything at once.
FROM_MEMORY = [
    *EXACT,
    *AHEAD_OF,
    *BANDED,
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
# Instructions of Python: fifteen for each row between a rung and a limit, of which a filter has three at
# most, and a hundred for each row of the page. One for each plan would be four times as many.
STEPS = 3 * 15 * RUNG // 2 + 100 * SIZE
KEYS: dict[PlanOrder, tuple[str, list[Any]]] = {
    PlanOrder.NAME: ("name", ["esim_5GB"]),
    PlanOrder.PRICE_ASC: ("price", [Decimal(12), "esim_5GB"]),
    PlanOrder.PRICE_DESC: ("price", [Decimal(22), "esim_5GB"]),
    PlanOrder.DURATION_ASC: ("duration", [7, "esim_5GB"]),
    PlanOrder.DATA_DESC: ("data", [5000, "esim_5GB"]),
}
# Where the name orders the plans of one duration, or of one place, it is these that hold them.
NAMED = {
    "data_plans_by_duration_and_name": "data_plans_by_duration",
    "data_plans_by_duration_and_duration": "data_plans_by_duration",
    "plan_places_by_duration_and_name": "plan_places_by_duration",
    "plan_places_by_duration_and_duration": "plan_places_by_duration",
    "plan_places_by_name": "plan_places_pkey",
}


@pytest.fixture
async def full(databases: Databases) -> AsyncIterator[Any]:
    """A connection as an anonymous session, to full and analysed tables."""
    await fill(databases.admin, ROWS)
    connection = await asyncpg.connect(databases.url("catalogue"))
    await connection.execute("set role catalogue_user")
    yield connection
    await connection.close()


async def test_lists_of_a_shop_read_no_more_of_a_large_catalogue_than_of_a_small_one(
    full: Any,
) -> None:
    for expected, most in ((EXACT, ALONE), (AHEAD_OF, AHEAD)):
        for wanted, pattern in expected.items():
            for order, (name, key) in KEYS.items():
                index = pattern.format(name)
                index = NAMED.get(index, index)
                for after in (None, key):
                    if statements.reads_ahead(wanted, order):
                        sql, values = statements.page_near(
                            wanted, order, size=SIZE, after=after, most=AHEAD
                        )
                    else:
                        sql, values = statements.page(wanted, order, size=SIZE, after=after)
                    read = await scans(full, sql, *values)
                    read.pop("data_plans_pkey", None)  # the texts of the rows that are looked at
                    assert set(read) == {index}, (wanted, order, after, read)
                    assert read[index] <= most, (wanted, order, after, read)
    assert set(KEYS) == set(PlanOrder)
    await lists_from_memory_read_nothing_and_take_no_more_steps(full)
    await lists_by_price_read_a_page_of_each_band(full)
    await facets_read_what_they_count(full)
    await plans_by_id_or_name_are_looked_up(full)
    await what_is_rare_is_found_by_an_index_of_its_own(full)


async def lists_from_memory_read_nothing_and_take_no_more_steps(full: Any) -> None:
    draft, after = Draft(), ""
    read = await scans(full, store.FOR_STOCK, "esim_5GB", BATCH)
    assert read == {"data_plans_by_name": BATCH}
    while rows := await store.plans_for_stock(full, after, BATCH):
        draft.add(rows)
        after = rows[-1]["name"]
    stock = Stock(draft, await store.revision(full))
    assert len(stock) == ROWS
    assert await scans(full, store.REVISION) == {"all of revision": 1}
    asked: list[Any] = []
    full.add_query_logger(asked.append)
    for wanted in FROM_MEMORY:
        assert stock.count(wanted) > 0, wanted
        for order, (_, key) in KEYS.items():
            for at in (None, key):
                stock.page(wanted, order, size=SIZE, after=at)  # new words are looked for once
                await listing.list_plans(
                    full, wanted, order, stock=stock, size=SIZE, after=at and list(map(str, at))
                )
                taken = steps(partial(stock.page, wanted, order, size=SIZE, after=at))
                assert 0 < taken < STEPS, (wanted, order, at)
    assert asked == []
    full.remove_query_logger(asked.append)


def steps(work: Callable[[], Any]) -> int:
    """How many of Python's instructions some work takes, whatever the machine."""
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


async def lists_by_price_read_a_page_of_each_band(full: Any) -> None:
    banded = 0
    for wanted in BANDED:
        for order, (name, key) in KEYS.items():
            if not statements.in_bands(wanted, order):
                continue
            banded += 1
            pattern = (
                "plan_places_by_duration_and_{}" if wanted.duration_days else "plan_places_by_{}"
            )
            index = pattern.format(name)
            for after in (None, key):
                sql, values = statements.page(wanted, order, size=SIZE, after=after)
                read = await scans(full, sql, *values)
                assert set(read) == {NAMED.get(index, index)}, (wanted, order, after, read)
                assert sum(read.values()) <= BANDS * ALONE, (wanted, order, after, read)
    assert banded == 5 * 3 + 1


async def facets_read_what_they_count(full: Any) -> None:
    found_by = {
        PlanFilter(country="c150"): "data_plans_by_place",
        PlanFilter(words=("country 150",)): "data_plans_by_text",
    }
    for wanted, index in found_by.items():
        where = statements.of_plans(wanted)
        read = await scans(full, facets.TALLY.format(where.sql), *where.values)
        total = await count_plans(full, wanted)
        assert set(read) == {index}, (wanted, read)
        # A text is looked for by its pieces, which a few others have in other places.
        assert 0 < total <= read[index] <= total * 1.5, (wanted, read, total)


async def plans_by_id_or_name_are_looked_up(full: Any) -> None:
    ids = [plan_id(f"esim_{number}") for number in range(50)]
    assert set(await scans(full, store.BY_IDS, ids)) == {"data_plans_pkey"}
    assert set(await scans(full, store.BY_NAME, "esim_7")) == {"data_plans_name_key"}


async def what_is_rare_is_found_by_an_index_of_its_own(full: Any) -> None:
    rare = {
        PlanFilter(words=("country 150",)): "data_plans_by_text",
        PlanFilter(words=("esim_ule_30d_c150_",)): "data_plans_by_text",
        # Bands are no help where few of a price may have so much data.
        PlanFilter(
            min_price=Decimal("0.5"), max_price=Decimal("1.9"), min_data_mb=1_000
        ): "data_plans_by_price",
    }
    for wanted, index in rare.items():
        sql, values = statements.page(wanted, PlanOrder.NAME, size=SIZE, after=None)
        read = await scans(full, sql, *values)
        assert set(read) == {index}, (wanted, read)
        assert 0 < read[index] < ROWS / 50, (wanted, read)
        sql, values = statements.count(wanted)
        assert set(await scans(full, sql, *values)) == {index}, wanted
