"""Answers from the in-memory snapshot are never stale and agree with the database, facets included."""

import random
from decimal import Decimal

import asyncpg

from kit.auth.sessions import ANONYMOUS
from services.catalogue import facets
from services.catalogue.list_plans import list_plans
from services.catalogue.plan import PlanFilter, PlanOrder
from services.catalogue.price_lists import COSTS
from services.catalogue.snapshot.ordered import MAX_WORDS
from services.catalogue.snapshot.snapshot import Snapshot
from tests.component.catalogue.conftest import FOUR, OpenShop
from tests.component.catalogue.snapshots import Books, books
from tests.fixtures.patience import until
from tests.fixtures.postgres import Databases
from tests.fixtures.prices.many_plans import fill


def names(snapshot: Snapshot, wanted: PlanFilter) -> list[str]:
    page = snapshot.page(wanted, PlanOrder.NAME, size=100, after=None, every_key=True)
    return [name for [name] in page.keys]


async def test_snapshots_are_never_stale_after_a_change(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop, books(shop.databases) as keeper:
        french = PlanFilter(country="fr")
        before = await keeper.taken()
        assert names(before, french) == ["esim_a", "esim_b", "esim_d"]
        await shop.hide("esim_a")
        current = await keeper.current()
        assert current.snapshot is not before
        assert current.revision > before.revision
        hidden = await keeper.taken()
        assert names(hidden, french) == ["esim_b", "esim_d"]
        await shop.control_sandbox("catalogue/withdraw", name="esim_b")
        await shop.sync()
        assert (await keeper.current()).snapshot is not hidden
        assert names(await keeper.taken(), french) == ["esim_d"]


async def test_the_snapshot_is_reloaded_after_a_database_outage(databases: Databases) -> None:
    await fill(databases.admin, 50)
    async with books(databases) as keeper:
        assert len(await keeper.taken()) == 50
        # The connection to cut: the reader waits for this lock in the middle of a load.
        holder = await asyncpg.connect(databases.admin_url)
        held = holder.transaction()
        await held.start()
        await holder.execute("update catalogue.data_plans set hidden = true")
        await holder.execute("lock table catalogue.data_plans in access exclusive mode")
        assert len(await keeper.taken()) == 50  # not committed yet
        other = Books(keeper.database)
        async with other.running():
            await _until_waiting(databases, "pg_terminate_backend(pid)")
            await held.commit()
            assert len(await other.taken()) == 0
        await holder.close()
        assert len(await keeper.taken()) == 0


async def _until_waiting(databases: Databases, then: str) -> None:
    """Cancel or terminate the service's session as soon as it waits for a lock."""
    await until(
        lambda: databases.admin.fetch(
            f"select {then} from pg_stat_activity"  # noqa: S608 - constants
            " where wait_event_type = 'Lock' and application_name = 'esimgo-catalogue'"
            " and datname = current_database()"
        )
    )


async def test_an_empty_catalogue_has_empty_lists(databases: Databases) -> None:
    async with books(databases) as keeper:
        snapshot = await keeper.taken()
        wanted = PlanFilter(country="fr", max_price=Decimal(5), words=("esim",))
        assert snapshot.page(wanted, PlanOrder.PRICE_DESC, size=5, after=None).versions == []
        assert (snapshot.count(PlanFilter()), snapshot.currency) == (0, None)
        assert snapshot.tally(PlanFilter()).lowest_price is None


async def test_words_are_found_after_many_other_searches(databases: Databases) -> None:
    await fill(databases.admin, 200)
    async with books(databases) as keeper:
        snapshot = await keeper.taken()
        once = {word: snapshot.count(PlanFilter(words=(word,))) for word in ("esim", "30d", "1gb")}
        assert once["esim"] == 200 > once["30d"] > once["1gb"] > 0
        for number in range(MAX_WORDS + 2):
            assert snapshot.count(PlanFilter(words=(f"nowhere{number}",))) == 0
        assert once == {word: snapshot.count(PlanFilter(words=(word,))) for word in once}


async def test_lists_and_facets_from_memory_match_the_database(
    databases: Databases,
) -> None:
    await fill(databases.admin, 1_000)
    rng = random.Random(11)
    async with books(databases) as keeper:
        snapshot = await keeper.taken()
        met = 0
        for _ in range(80):
            low = Decimal(rng.randint(1, 60))
            choices = {
                "country": rng.choice(["c0", "c1", "country 2"]),
                "region": rng.choice(["region 0", "region 1"]),
                "duration_days": rng.choice([1, 7, 30]),
                "min_price": low,
                "max_price": low + rng.randint(1, 30),
                "unlimited": rng.random() < 0.5,
                "bundle_group": "Standard Fixed",
                "words": ("days,", "country"),
                "min_data_mb": 5_000,
                "countries": rng.choice([("c0",), ("c0", "c8")]),
                "min_days": 7,
                "max_days": 30,
                "single_country": rng.random() < 0.5,
            }
            some = rng.sample(sorted(choices), rng.randint(0, 3))
            wanted = PlanFilter(**{name: choices[name] for name in some})  # type: ignore[arg-type]  # each of its own type
            async with keeper.database.session(ANONYMOUS) as connection:
                assert snapshot.tally(wanted) == await facets.tally(connection, COSTS, wanted), (
                    wanted
                )
                order = rng.choice(list(PlanOrder))
                pages = [
                    await list_plans(
                        connection, COSTS, wanted, order, snapshot=one, size=7, after=None
                    )
                    for one in (snapshot, None)
                ]
                assert pages[0] == pages[1], (wanted, order)
                next_pages = [
                    await list_plans(
                        connection, COSTS, wanted, order, snapshot=one, size=7, after=page.keys[-1]
                    )
                    for one, page in zip((snapshot, None), pages, strict=True)
                    if page.keys
                ]
                assert not next_pages or next_pages[0] == next_pages[1], (wanted, order)
            met += bool(snapshot.count(wanted))
        assert met > 20  # the filters must match something
