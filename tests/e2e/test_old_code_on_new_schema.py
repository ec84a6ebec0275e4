"""During an upgrade the migrations run first: the newest release must work on this code's schema."""

import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from tests.chaos.purchase.buyers import Buyers
from tests.chaos.purchase.machine import running
from tests.e2e.journey import Stack, travel
from tests.fixtures.releases import newest_release

ROOT = Path(__file__).parents[2]
LOCK = "requirements.lock"


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The code of the newest release, with the packages that it was released with."""
    archive = subprocess.run(
        ["git", "archive", newest_release().commit], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode != 0:
        pytest.skip("needs the git history back to the newest release (git fetch --unshallow)")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path, filter="data")
    if (tmp_path / LOCK).read_bytes() != (ROOT / LOCK).read_bytes():
        uv = (sys.executable, "-m", "uv", "--quiet")
        subprocess.run((*uv, "venv", str(tmp_path / ".venv")), check=True)
        python = tmp_path / ".venv" / "bin" / "python"
        install = ("pip", "install", "--python", str(python), "--require-hashes", "-r", LOCK)
        subprocess.run((*uv, *install), check=True, cwd=tmp_path)
    return tmp_path


async def test_the_newest_release_completes_a_journey_on_the_newest_schema(
    released: Path, http: aiohttp.ClientSession
) -> None:
    newer = {file.name for file in (ROOT / "migrations").glob("*/*.sql")} - {
        file.name for file in (released / "migrations").glob("*/*.sql")
    }
    if not newer:
        pytest.skip("there is no migration since the newest release")
    async with running({"ESIMS_FRESH_SECONDS": "0"}, code=released) as machine:
        async with machine.database() as connection:
            applied = await connection.fetch("select name from migrations.applied")
            assert {file.removesuffix(".sql") for file in newer} <= {row["name"] for row in applied}
        await Buyers(machine, [], at_once=1).plans(1)
        stack = Stack(
            graphql=machine.gateway_url,
            auth=machine.auth_url,
            sandbox=machine.sandbox_url,
            anon_key=machine.anon_key,
        )
        await travel(stack, http)
