"""Processes that fail to start: the last line names the reason and the setting, and contains no secret."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fixtures.certificates import Authority
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases

ROOT = Path(__file__).parents[3]
NOBODY = "http://127.0.0.1:9"
SECRET = "hidden-service-role-key-of-a-test"
OWNERS = {"services.catalogue": "catalogue", "webhooks": "webhooks", "gateway": "gateway"}


async def start(module: str, values: Mapping[str, str]) -> tuple[int | None, str]:
    """Return the exit status and the last line of a process that exits at its start."""
    status, lines = await output(module, values)
    return status, lines[-1]


async def output(module: str, values: Mapping[str, str]) -> tuple[int | None, list[str]]:
    """Return the exit status and the lines of a process that exits at its start."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        cwd=ROOT,
        env=os.environ | values,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            _, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = stderr.decode()
    assert "Traceback" not in text
    assert SECRET not in text
    return process.returncode, text.strip().splitlines()


@pytest.fixture
def values(databases: Databases) -> dict[str, str]:
    """Settings of every process, with ports chosen by the system."""
    urls = {f"{o.upper()}_DATABASE_URL": databases.url(o) for o in ("catalogue", "webhooks")}
    ports = ("CATALOGUE_PORT", "WEBHOOKS_PORT", "WEBHOOKS_ADMIN_PORT", "GATEWAY_PORT")
    metrics = {f"{o.upper()}_METRICS_PORT": "off" for o in OWNERS.values()}
    return {
        **urls,
        **dict.fromkeys(ports, "0"),
        **metrics,
        "SUPABASE_URL": NOBODY,
        "SUPABASE_SERVICE_ROLE_KEY": SECRET,
        "SUPABASE_ANON_KEY": "anon",
        "ESIM_GO_API_KEY": "key",
        "ESIM_GO_BASE_URL": NOBODY,
    }


@asynccontextmanager
async def taken(host: str = "127.0.0.1") -> AsyncIterator[int]:
    with socket.create_server((host, 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("module", "settings"),
    [
        ("services.catalogue", "CATALOGUE"),
        ("webhooks", "WEBHOOKS_ADMIN"),
        ("webhooks", "WEBHOOKS"),
        ("gateway", "GATEWAY"),
    ],
)
async def test_a_port_in_use_is_reported_with_its_setting(
    module: str, settings: str, values: dict[str, str]
) -> None:
    async with taken() as port:
        status, line = await start(module, values | {f"{settings}_PORT": str(port)})
    assert status == 1
    assert line == (
        f"cannot start: {settings}_PORT: port {port} is in use: stop the process that listens there, or"
        " choose another port"
    )


async def test_a_setting_of_a_removed_mechanism_is_reported(values: dict[str, str]) -> None:
    async with taken() as port:
        removed = {"GATEWAY_PROCESSES": "2", "GATEWAY_PORT": str(port)}
        _, lines = await output("gateway", values | removed)
    (line,) = [line for line in lines if "GATEWAY_PROCESSES" in line]
    assert "no longer in use: run more replicas" in line


@pytest.mark.parametrize("module", OWNERS)
@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
async def test_a_host_of_another_machine_is_reported_with_its_setting(
    module: str, host: str, values: dict[str, str]
) -> None:
    name = f"{OWNERS[module].upper()}_HOST"
    status, line = await start(module, values | {name: host})
    assert status == 1
    assert line.startswith(f"cannot start: {name}: {host!r} is not an address of this machine")


@pytest.mark.parametrize("module", OWNERS)
async def test_a_mismatched_private_key_is_not_reported_as_a_port_in_use(
    module: str, values: dict[str, str], tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "ours")
    one, other = authority.issue("one"), authority.issue("other")
    files = {
        "GRPC_TLS_CA_FILE": str(one.authority),
        "GRPC_TLS_CERT_FILE": str(one.certificate),
        "GRPC_TLS_KEY_FILE": str(other.key),
    }
    status, line = await start(module, values | files)
    assert status == 2
    assert line.startswith("cannot start: GRPC_TLS_KEY_FILE: the private key in ")
    assert "in use" not in line


async def test_all_invalid_settings_are_reported_together(values: dict[str, str]) -> None:
    wrong = {
        "CATALOGUE_PORT": "70000",
        "CATALOGUE_DATABASE_URL": "postgresql://me:a/b@127.0.0.1:5432/x",
        "REDIS_URL": "redis:/nowhere",
        "SUPABASE_SERVICE_ROLE_KEY": "",
        "SUPABASE_SERVICE_ROLE_KEY_FILE": "/nowhere",
    }
    status, line = await start("services.catalogue", values | wrong)
    assert status == 2
    for name in wrong:
        if name != "SUPABASE_SERVICE_ROLE_KEY":
            assert name in line
