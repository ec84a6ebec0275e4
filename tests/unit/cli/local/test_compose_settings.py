"""Containers get ports and settings from this machine's .env, but never its accounts."""

from pathlib import Path

import pytest
import yaml

from cli.local import compose

SANDBOX = compose.SANDBOX


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which Compose is found."""
    old = tmp_path / compose.OLD_NAME
    old.write_text("#!/bin/sh\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_ports_in_the_local_env_file_are_published(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("GATEWAY_PORT=4100\nSANDBOX_AUTH_PORT=4111\nGATEWAY_CORS_ORIGINS=*\n")
    found = compose.load(SANDBOX, {"SANDBOX_AUTH_PORT": "4112"}, file)
    assert found.values["GATEWAY_PORT"] == "4100"
    assert found.values["SANDBOX_AUTH_PORT"] == "4112"  # the environment overrides all files
    assert found.values["GATEWAY_CORS_ORIGINS"] == "*"
    assert found.values["SUPABASE_PUBLIC_URL"] == "http://localhost:4112"  # where browsers sign in
    assert found.values["GATEWAY_PUBLIC_URL"] == "http://localhost:4100"  # with which links begin
    assert found.ignored == ()
    named = compose.load(SANDBOX, {"GATEWAY_PUBLIC_URL": "https://api.shop.example"}, file)
    assert named.values["GATEWAY_PUBLIC_URL"] == "https://api.shop.example"


def test_credentials_in_the_local_env_file_are_not_passed_to_emulators(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "ESIM_GO_API_KEY=real\nSUPABASE_URL=https://real.supabase.co\n"
        "ESIM_GO_BASE_URL=https://real.example\nDATABASE_URL=postgresql://x\n"
    )
    found = compose.load(SANDBOX, {}, file)
    assert found.ignored == ("ESIM_GO_API_KEY", "SUPABASE_URL", "DATABASE_URL")
    assert found.values["SUPABASE_URL"] == "http://auth:4011"
    assert found.values["ESIM_GO_BASE_URL"] == "http://sandbox:4010/v2.5"
    assert "ESIM_GO_API_KEY" not in found.values
    assert "DATABASE_URL" not in found.values


def test_compose_and_esimgo_up_set_the_same_stage(tmp_path: Path) -> None:
    assert compose.load(SANDBOX, {}, tmp_path / "none").values["APP_ENV"] == "development"


async def test_containers_of_every_profile_are_removed(tmp_path: Path) -> None:
    """Compose 2 leaves the others running, so that their network can't be removed either."""
    program, seen = tmp_path / compose.OLD_NAME, tmp_path / "seen"
    program.write_text(f'#!/bin/sh\necho "$COMPOSE_PROFILES $*" >{seen}\n')
    await compose.load(SANDBOX, {"COMPOSE_PROFILES": "sandbox"}, tmp_path / "none").down(
        "--volumes"
    )
    profiles, *arguments = seen.read_text().split()
    services = yaml.safe_load((compose.DEPLOY / "compose.yaml").read_text())["services"].values()
    assert set(profiles.split(",")) == {p for one in services for p in one.get("profiles", ())}
    assert arguments[-2:] == ["down", "--volumes"]
