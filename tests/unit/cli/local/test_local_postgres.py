import tempfile
from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.local import postgres


def test_before_the_first_start_there_is_no_database(tmp_path: Path) -> None:
    assert postgres.find(tmp_path) is None


def test_the_socket_is_in_the_data_folder() -> None:
    with tempfile.TemporaryDirectory(prefix="esimgo-") as folder:
        (Path(folder) / postgres.FOLDER).mkdir()
        found = postgres.find(Path(folder))
        assert found is not None
        assert found.socket_folder == found.data


def test_a_path_too_long_for_a_socket_is_replaced_by_a_short_private_one(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    (home / postgres.FOLDER).mkdir(parents=True)
    found = postgres.find(home)
    assert found is not None
    assert len(str(found.socket_folder)) < 90
    assert found.socket_folder.stat().st_mode & 0o777 == 0o700
    assert postgres.find(home) == found
    found.socket_folder.chmod(0o777)
    try:
        with pytest.raises(CommandError, match="can be accessed by other users"):
            postgres.find(home)
    finally:
        found.socket_folder.rmdir()
