"""Secrets in files: NAME_FILE instead of NAME."""

from pathlib import Path

from cli.config.settings import load
from kit.values.env import Env


def key(values: dict[str, str]) -> tuple[str, list[str]]:
    env = Env(values)
    return env.text("API_KEY", "A key.", secret=True), env.problems


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("  s3cret\n")
    assert key({"API_KEY_FILE": str(tmp_path / "key")}) == ("s3cret", [])


def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\r\n", "utf-8-sig")
    assert key({"API_KEY_FILE": str(tmp_path / "key")}) == ("s3cret", [])


def test_an_empty_file_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    env = Env({"API_KEY_FILE": str(tmp_path / "key")})
    assert env.optional("API_KEY", "A key.", secret=True) is None
    assert env.problems == []
    assert key({"API_KEY_FILE": str(tmp_path / "key")})[1] == [
        "a required variable is missing: set API_KEY"
    ]


def test_a_missing_file_is_reported_with_the_reason(tmp_path: Path) -> None:
    _, problems = key({"API_KEY_FILE": str(tmp_path / "none")})
    assert problems[0] == f"API_KEY_FILE: {tmp_path}/none can't be read: No such file or directory"


def test_a_value_and_a_file_together_are_refused_without_showing_either(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-the-file")
    _, problems = key({"API_KEY": "from-the-shell", "API_KEY_FILE": str(tmp_path / "key")})
    assert problems == ["API_KEY and API_KEY_FILE are both set: remove one of them"]


def test_settings_that_are_not_secrets_are_not_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "host").write_text("elsewhere")
    env = Env({"HOST_FILE": str(tmp_path / "host")})
    assert env.text("HOST", "Where.", "here") == "here"


def test_started_processes_receive_the_secrets_instead_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("real-key")
    (tmp_path / "url").write_text("postgresql://orders_service:pw@db/esimgo")
    settings = load(
        {
            "ESIM_GO_API_KEY_FILE": str(tmp_path / "key"),
            "ORDERS_DATABASE_URL_FILE": str(tmp_path / "url"),
        }
    )
    assert settings.real_provider
    assert settings.values["ESIM_GO_API_KEY"] == "real-key"
    assert settings.values["ORDERS_DATABASE_URL"] == "postgresql://orders_service:pw@db/esimgo"
    assert not [name for name in settings.values if name.endswith("_FILE")]
