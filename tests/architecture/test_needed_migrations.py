"""Each process waits for the newest migration of its own schema before it starts."""

import importlib
from pathlib import Path

import pytest

from migrations import files

# Migrations that no process requires. Without the table of provider tokens each process paces itself and
# tries again some seconds later.
NO_OWNER = {"provider", "roles", "seeds"}
OWNERS = sorted(
    path.name
    for path in files.ROOT.iterdir()
    if path.is_dir() and any(path.glob("*.sql")) and path.name not in NO_OWNER
)


def newest(owner: str, root: Path = files.ROOT) -> str:
    own = {path.stem for path in (root / owner).glob("*.sql")}
    return [migration.name for migration in files.find(root) if migration.name in own][-1]


def test_every_table_owner_is_known() -> None:
    assert OWNERS == ["catalogue", "esims", "orders", "webhooks"]


@pytest.mark.parametrize("owner", OWNERS)
def test_a_process_needs_its_newest_migration(owner: str) -> None:
    name = f"{owner}.__main__" if owner == "webhooks" else f"services.{owner}.__main__"
    process = importlib.import_module(name)
    assert newest(owner) == process.NEEDS, (
        f"{name} starts on an older schema: set NEEDS to the newest file in migrations/{owner}"
    )
    assert process.__file__ is not None
    assert "needs=NEEDS" in Path(process.__file__).read_text()


def test_the_newest_is_the_one_with_the_highest_number(tmp_path: Path) -> None:
    for name in ("orders/009_a", "orders/010_a", "esims/011_b"):
        path = tmp_path / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert newest("orders", tmp_path) == "010_a"
