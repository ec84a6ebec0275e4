"""The file .env: in which forms it is read, and what is said about one that can't be."""

from pathlib import Path

import pytest

from cli.config import variables
from cli.config.settings import merged
from kit.values.env import SettingsError

LINE = "ESIM_GO_API_KEY=key\r\n"


def test_a_byte_order_mark_belongs_to_no_name(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(LINE.encode("utf-8-sig"))
    assert merged({}, file) == {"ESIM_GO_API_KEY": "key"}
    assert variables.in_use({}, file) == []


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / ".env"
    file.write_bytes(f"{LINE}NAME=Zoë\n".encode(encoding))
    for read in (lambda: merged({}, file), lambda: variables.in_use({}, file)):
        with pytest.raises(SettingsError, match=r"\.env is not text in UTF-8: save it"):
            read()


def test_without_a_file_only_the_environment_counts(tmp_path: Path) -> None:
    assert merged({"LOG_LEVEL": "debug"}, tmp_path / ".env") == {"LOG_LEVEL": "debug"}
