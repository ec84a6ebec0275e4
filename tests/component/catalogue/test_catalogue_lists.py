"""Lists by every filter and order compared with the rules in Python, page by page."""

import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import asyncpg

from migrations import files, runner
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue import list_plans, search, store
from services.catalogue.plan import Plan, PlanFilter, PlanOrder
from services.catalogue.price_lists import COSTS
from services.catalogue.snapshot.snapshot import Snapshot, SnapshotBuilder
from tests.component.catalogue.conftest import FOUR, OpenShop
from tests.fixtures.postgres import Databases, Server
from tests.fixtures.prices.many_plans import fill

ROWS, SIZE = 1_000, 5
# A page size that holds every list whole.
ALL = 10_000
SORTED: dict[PlanOrder, tuple[Callable[[Plan], Any], bool]] = {
    PlanOrder.NAME: (lambda plan: plan.bundle.name, False),
    PlanOrder.PRICE_ASC: (lambda plan: (plan.bundle.price, plan.bundle.name), False),
    PlanOrder.PRICE_DESC: (lambda plan: (plan.bundle.price, plan.bundle.name), True),
    PlanOrder.DURATION_ASC: (lambda plan: (plan.bundle.duration_days, plan.bundle.name), False),
    PlanOrder.DATA_DESC: (
        lambda plan: (plan.bundle.unlimited, plan.bundle.data_mb or 0, plan.bundle.name),
        True,
    ),
}
PLACES: list[dict[str, Any]] = [
    {},
    {"country": "c1"},
    {"country": "country 20"},
    {"region": "region 3"},
    {"region": "region 3", "country": "c3"},
    {"bundle_group": "Standard Fixed"},
    {"country": "c0", "bundle_group": "Standard Unlimited Lite"},
    {"country": "c0", "bundle_group": "Standard Fixed"},
]
CONDITIONS: list[dict[str, Any]] = [
    {"duration_days": 7},
    {"max_price": Decimal(9)},
    {"min_price": Decimal(15), "max_price": Decimal(20)},
    {"min_price": Decimal("9.99"), "duration_days": 30},
    {"min_price": Decimal("2.4"), "max_price": Decimal("8.05"), "min_data_mb": 2000},
    {"max_price": Decimal("8.05")},
    {"min_price": Decimal("49.99")},
    {"min_price": Decimal(15), "words": ("ule_", "d")},
    {"max_price": Decimal(10) ** 13},
    {"min_price": Decimal(10) ** 13},
    {"unlimited": True},
    {"unlimited": False, "duration_days": 30},
    {"min_data_mb": 20_000, "unlimited": False},
    {"words": ("country", "1", "30")},
    {"words": ("5",)},
    {"words": ("esim_ule_30d_c1_",), "max_price": Decimal(50)},
]
FILTERS = [
    PlanFilter(),
    *(PlanFilter(**place, **more) for place, more in itertools.product(PLACES, CONDITIONS)),
]


async def test_every_page_of_every_list_follows_the_rules(databases: Databases) -> None:
    await fill(databases.admin, ROWS)
    await databases.admin.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )
    rows = await databases.admin.fetch(COSTS.sql("select {columns} from {plans}"))
    plans = [store.to_plan(row) for row in rows]
    connection: Any = await asyncpg.connect(databases.url("catalogue"))
    await connection.execute("set role catalogue_user")
    snapshot = await taken(connection)
    some = 0
    for number, wanted in enumerate(FILTERS):
        matching = [plan for plan in plans if search.matches(plan.bundle, wanted)]
        some += bool(matching)
        assert await list_plans.count_plans(connection, COSTS, wanted) == len(matching)
        assert snapshot.count(wanted) == len(matching)
        for order, (key, descending) in SORTED.items():
            expected = [plan.id for plan in sorted(matching, key=key, reverse=descending)]
            # For long lists the first pages are enough.
            pages = 4 if number else 2 + ROWS // SIZE
            for source in (None, snapshot):
                whole = await listed(connection, source, wanted, order, ALL, 1)
                assert whole == expected, (wanted, order, source)
                found = await listed(connection, source, wanted, order, SIZE, pages)
                assert found == expected[: pages * SIZE], (wanted, order, source)
    assert some > len(FILTERS) / 2
    await connection.close()


async def taken(connection: Any) -> Snapshot:
    """Return all plans on sale, in memory."""
    draft = SnapshotBuilder()
    draft.add(await store.plans_for_snapshot(connection, COSTS, "", ROWS))
    return Snapshot(draft, 0)


async def listed(
    connection: Any,
    snapshot: Snapshot | None,
    wanted: PlanFilter,
    order: PlanOrder,
    size: int,
    pages: int,
) -> list[Any]:
    """List from memory if a snapshot is given, otherwise from the database."""
    found: list[Any] = []
    after = None
    for _ in range(pages):
        page = await list_plans.list_plans(
            connection, COSTS, wanted, order, snapshot=snapshot, size=size, after=after
        )
        found.extend(plan for plan, _ in page.versions)
        if not page.more:
            break
        after = page.keys[-1]
    return found


async def test_a_page_token_is_valid_with_and_without_the_total(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        first = await shop.call("ListPlans", pb.ListPlansRequest(page_size=3))
        request = pb.ListPlansRequest(
            page_size=3, page_token=first.next_page_token, without_total=True
        )
        second = await shop.call("ListPlans", request)
        assert (first.total_size, second.total_size) == (4, 0)
        assert [plan.name for plan in second.plans] == ["esim_d"]


async def test_the_total_counts_plans_on_sale(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        request = pb.ListPlansRequest(filter=pb.PlanFilter(country="FR"))
        assert (await shop.call("ListPlans", request)).total_size == 3
        await shop.hide("esim_a")
        answer = await shop.call("ListPlans", request)
        assert answer.total_size == 2
        assert [plan.name for plan in answer.plans] == ["esim_b", "esim_d"]
        await shop.hide("esim_a", hidden=False)
        assert (await shop.call("ListPlans", request)).total_size == 3


async def test_processes_of_the_release_before_038_still_find_plans_by_place(
    postgres: Server,
) -> None:
    name = "catalogue_before_038"
    places = "select * from catalogue.plan_places order by place, name"
    triggers = """
        select tgname from pg_trigger
        where tgrelid = 'catalogue.data_plans'::regclass and not tgisinternal
    """
    root = await asyncpg.connect(postgres.url("postgres"))
    await root.execute(f"create database {name}")
    url = postgres.url(name)
    try:
        await runner.migrate(url, migrations=[m for m in files.find() if m.name < "038"])
        await runner.seed(url)
        admin: Any = await asyncpg.connect(url)
        before = await admin.fetch(places)
        await runner.migrate(url)
        await admin.execute("set role catalogue_user")
        assert [*map(tuple, await admin.fetch(places))] == [*map(tuple, before)] != []
        left = {row["tgname"] for row in await admin.fetch(triggers)}
        assert not left & {"add_places", "replace_places"}
        await admin.close()
    finally:
        await root.execute(f"drop database {name} with (force)")
        await root.close()
