from pathlib import Path

import pytest

from cli.local import home


def test_a_folder_that_cannot_be_created_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with (
        pytest.raises(home.HomeError, match="set ESIMGO_HOME to a writable folder"),
        home.locked(tmp_path / "file" / "home"),
    ):
        pass


def test_a_folder_in_use_names_its_holder(tmp_path: Path) -> None:
    with (
        home.locked(tmp_path),
        pytest.raises(home.HomeError, match="already runs"),
        home.locked(tmp_path),
    ):
        pass
