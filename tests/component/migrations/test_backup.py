"""A backup of the whole database, restored on another server on which customers continue."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from migrations import runner
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import OpenPlatform
from tests.fixtures.postgres import Databases, Server, start

ROOT = Path(__file__).parents[3]
TABLES = """
select format('%I.%I', schemaname, tablename) as name from pg_tables
where schemaname in ('catalogue', 'orders', 'esims', 'webhooks', 'migrations') order by 1
"""

WITHOUT_STATISTICS = """
select relname from pg_class
where relkind = 'r' and reltuples < 0
    and relnamespace::regnamespace::text in ('catalogue', 'orders', 'esims', 'webhooks', 'migrations')
"""


@pytest.fixture
def other_server() -> Iterator[tuple[Server, Path]]:
    """A new, empty server and the folder of its programs."""
    folder = Path(tempfile.mkdtemp(prefix="esimgo-pg-"))
    server = start(folder / "data")
    try:
        yield Server(str(server.get_postmaster_info().socket_dir)), Path(server.bin_path)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def run(
    name: str,
    file: Path,
    server: Server,
    programs: Path,
    database: str,
    login: str = "postgres",
    *,
    variables: tuple[str, str] = ("PGUSER", "PGDATABASE"),
) -> "subprocess.CompletedProcess[str]":
    """Run deploy/backup or deploy/restore with login and database in environment variables only."""
    return subprocess.run(
        (str(ROOT / "deploy" / name), str(file)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGHOST": server.base,
            **dict(zip(variables, (login, database), strict=True)),
        },
    )


async def contents(admin: "asyncpg.Connection[asyncpg.Record]") -> dict[str, list[str]]:
    """Every row of every table of ours, as text."""
    found = {}
    for table in await admin.fetch(TABLES):
        query = f"select t::text as row from {table['name']} t order by 1"  # noqa: S608 - quoted by the server
        found[table["name"]] = [row["row"] for row in await admin.fetch(query)]
    return found


async def test_customers_continue_on_a_restored_database(
    databases: Databases,
    open_platform: OpenPlatform,
    other_server: tuple[Server, Path],
    tmp_path: Path,
) -> None:
    other, programs = other_server
    file = tmp_path / "esimgo.backup"
    async with open_platform(databases) as platform:
        ann = await platform.customer("ann@example.com")
        order = await platform.buy(ann, quantity=2)
    done = await asyncio.to_thread(run, "backup", file, databases.server, programs, databases.name)
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o077 == 0
    before = await contents(databases.admin)

    admin = await asyncpg.connect(other.url("postgres"))
    await admin.execute("create database esimgo")
    await admin.close()
    done = await asyncio.to_thread(run, "restore", file, other, programs, "esimgo")
    assert done.returncode == 0, done.stderr
    assert await runner.migrate(other.url("esimgo"), {"orders_service": "secret"}) == []

    admin = await asyncpg.connect(other.url("esimgo"))
    assert await contents(admin) == before
    assert not await admin.fetch(WITHOUT_STATISTICS)
    restored = Databases(other, "esimgo", admin)
    async with open_platform(restored) as platform:
        ann = await platform.customer("ann@example.com")
        answer = await ann.ask("{ myESIMs { id iccid } myOrders { id status } }")
        assert {esim["id"] for esim in answer.data["myESIMs"]} == {e["id"] for e in order["esims"]}
        assert answer.data["myOrders"] == [{"id": order["id"], "status": "COMPLETED"}]
        bob = await platform.customer("bob@example.com")
        assert (await bob.ask("{ myESIMs { id } }")).data == {"myESIMs": []}
        assert len((await platform.buy(bob))["esims"]) == 1
    await admin.close()

    # The script refuses a database that is in use.
    again = await asyncio.to_thread(run, "restore", file, other, programs, "esimgo")
    assert again.returncode != 0
    assert "this database is in use" in again.stderr


async def test_login_and_database_can_be_given_as_arguments(
    databases: Databases, other_server: tuple[Server, Path], tmp_path: Path
) -> None:
    other, programs = other_server
    file = tmp_path / "esimgo.backup"
    arguments = ("LOGIN", "DATABASE")
    server, name = databases.server, databases.name
    made = await asyncio.to_thread(run, "backup", file, server, programs, name, variables=arguments)
    assert made.returncode == 0, made.stderr
    admin = await asyncpg.connect(other.url("postgres"))
    await admin.execute('create database "esimgo again"')
    await admin.close()
    done = await asyncio.to_thread(
        run, "restore", file, other, programs, "esimgo again", variables=arguments
    )
    assert done.returncode == 0, done.stderr
    admin = await asyncpg.connect(other.url("esimgo again"))
    assert await contents(admin) == await contents(databases.admin)
    await admin.close()


async def test_a_backup_is_never_written_into_a_file_that_others_can_read(
    databases: Databases, other_server: tuple[Server, Path], tmp_path: Path
) -> None:
    _, programs = other_server
    file = tmp_path / "esimgo.backup"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch(mode=0o644)
    (tmp_path / "esimgo.backup.part").symlink_to(elsewhere)
    server, name = databases.server, databases.name
    for _ in range(2):
        made = await asyncio.to_thread(run, "backup", file, server, programs, name)
        assert made.returncode == 0, made.stderr
        assert not file.is_symlink()
        assert file.stat().st_mode & 0o077 == 0
        (tmp_path / "esimgo.backup.part").touch(mode=0o644)
    assert elsewhere.read_bytes() == b""


async def test_a_login_subject_to_row_security_makes_no_backup(
    databases: Databases, other_server: tuple[Server, Path], tmp_path: Path
) -> None:
    """Forced row security applies to the tables' owner too; only an exempt login reads all rows."""
    _, programs = other_server
    file = tmp_path / "esimgo.backup"
    await databases.admin.execute("""
        create role backup_of_owner login in role esimgo_owner;
        create role backup_exempt login bypassrls in role pg_read_all_data;
    """)
    try:
        server, name = databases.server, databases.name
        done = await asyncio.to_thread(
            run, "backup", file, server, programs, name, "backup_of_owner"
        )
        assert done.returncode != 0
        assert not file.exists()
        done = await asyncio.to_thread(run, "backup", file, server, programs, name, "backup_exempt")
        assert done.returncode == 0, done.stderr
        assert file.stat().st_size > 0
    finally:
        await databases.admin.execute("drop role backup_of_owner, backup_exempt")
