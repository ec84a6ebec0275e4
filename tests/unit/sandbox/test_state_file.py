"""The state file restores exactly what was committed, and an unusable one is refused."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.settings import Settings
from sandbox.state import device, timers, topups
from sandbox.state.store import StateError, Store
from sandbox.state.world import World
from tests.unit.sandbox.conftest import BUNDLE, CATALOGUE, START, Bench


def opened(file: Path, seed: int = 1) -> tuple[World, Store]:
    world = World(Settings(seed=seed), CATALOGUE, wall=lambda: START)
    store = Store(file)
    try:
        store.load(world)
    except StateError:
        store.close()
        raise
    return world, store


def contents(world: World) -> dict[str, list[dict[str, Any]]]:
    def plain(value: Any) -> Any:
        if is_dataclass(value):
            return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
        return [plain(item) for item in value] if isinstance(value, tuple) else value

    return {table.kind: [plain(row) for row in table] for table in world.tables()}


def test_all_state_is_restored(tmp_path: Path) -> None:
    world, store = opened(tmp_path / "state")
    bench = Bench(world)
    esim = bench.esim()
    bench.order({"type": "bundle", "quantity": 6, "item": BUNDLE}, assign=False)
    device.use_data(world, esim, 600_000_000, "GB", bench.now)
    topups.by_api(world, Decimal("1000.5"), "", bench.now)
    world.catalogue.reprice(BUNDLE, Decimal("1.995"))
    bench.later(hours=5)
    store.commit(world)
    before = contents(world)
    store.close()

    again, store = opened(tmp_path / "state")
    assert contents(again) == before
    assert again.clock.now() == START + timedelta(hours=5)
    bundle = again.catalogue.get(BUNDLE)
    assert bundle is not None
    assert bundle.price == Decimal("1.995")
    store.close()


def test_time_continues_after_a_restart(tmp_path: Path) -> None:
    world, store = opened(tmp_path / "state")
    esim = Bench(world).esim()
    device.use_data(world, esim, 1, None, START)
    store.commit(world)
    store.close()

    world, store = opened(tmp_path / "state")
    world.clock.advance(timedelta(days=7))
    timers.settle(world)
    [assignment] = world.assignments
    assert assignment.state == "expired"
    store.close()


def test_names_are_not_assigned_twice_after_a_restart(tmp_path: Path) -> None:
    world, store = opened(tmp_path / "state")
    first = Bench(world).esim()
    store.commit(world)
    store.close()
    world, store = opened(tmp_path / "state")
    assert Bench(world).esim().iccid != first.iccid
    store.close()


def test_uncommitted_changes_are_not_restored(tmp_path: Path) -> None:
    world, store = opened(tmp_path / "state")
    Bench(world).esim()
    store.close()
    world, store = opened(tmp_path / "state")
    assert len(world.esims) == 0
    store.close()


def test_removed_rows_stay_removed(tmp_path: Path) -> None:
    world, store = opened(tmp_path / "state")
    esim = Bench(world).esim()
    store.commit(world)
    world.esims.remove(esim.iccid)
    store.commit(world)
    store.close()
    world, store = opened(tmp_path / "state")
    assert len(world.esims) == 0
    store.close()


def test_another_seed_is_refused(tmp_path: Path) -> None:
    _, store = opened(tmp_path / "state")
    store.close()
    with pytest.raises(StateError, match="seed 1"):
        opened(tmp_path / "state", seed=2)


@pytest.mark.slow
def test_a_file_in_use_is_refused(tmp_path: Path) -> None:
    _, store = opened(tmp_path / "state")
    with pytest.raises(StateError, match="another sandbox"):
        opened(tmp_path / "state")
    store.close()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a database, but long enough to be read as one" * 20)
    with pytest.raises(StateError):
        opened(tmp_path / "state")


def test_a_frozen_clock_stays_frozen(tmp_path: Path) -> None:
    world, store = opened(tmp_path / "state")
    world.clock.advance(timedelta(days=1))
    world.clock.freeze()
    store.commit(world)
    store.close()
    later = World(Settings(), CATALOGUE, wall=lambda: datetime(2027, 1, 1, tzinfo=UTC))
    store = Store(tmp_path / "state")
    store.load(later)
    assert later.clock.now() == START + timedelta(days=1)
    store.close()


def test_a_reset_empties_the_file_too(tmp_path: Path) -> None:
    world, store = opened(tmp_path / "state")
    Bench(world).esim()
    store.commit(world)
    world.begin(Settings(seed=2))
    store.clear(world)
    store.close()
    world, store = opened(tmp_path / "state", seed=2)
    assert (len(world.esims), world.account.balance) == (0, Settings().balance)
    store.close()
