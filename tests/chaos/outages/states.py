"""Dependencies that answer badly: a read-only, full or slow database; a provider that hangs or misbehaves."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg

from cli.doctor import neighbours
from cli.local import probes
from kit.db import health as db_health
from providers.esim_go import health as provider_health
from tests.chaos.fleet.fleet import Fleet, Replica

OWNERS = ("catalogue", "orders", "esims", "webhooks")
TABLES = """
select format('%I.%I', schemaname, tablename) as name from pg_tables
where schemaname in ('catalogue', 'orders', 'esims', 'webhooks') order by 1
"""
# Tables that every purchase, callback and write check writes, in locking order.
HOT = (
    *(f"{owner}.write_trials" for owner in OWNERS),
    "webhooks.inbox",
    "esims.esims",
    "orders.esim_orders",
)
# Megabytes of the disk that is filled; the tables of a run need a few.
DISK_MB = 256
# The statement timeout in a slow database.
STATEMENT_TIMEOUT = "300ms"
# A pause of one day.
DAY = {"Retry-After": "86400"}


@dataclass(frozen=True, slots=True)
class State:
    """One state: how it begins and ends, and what health, metrics and doctor report.

    `unreported` returns what they should report and don't.
    """

    name: str
    begin: Callable[[], Awaitable[None]]
    end: Callable[[], Awaitable[None]]
    unreported: Callable[[], Awaitable[list[str]]]


@asynccontextmanager
async def every(fleet: Fleet, say: Callable[[str], None]) -> AsyncIterator[list[State]]:
    """Return all states that can be produced on this machine."""
    admin = await asyncpg.connect(fleet.machine.database_url)
    await admin.execute("set default_transaction_read_only = off; set statement_timeout = 0")
    try:
        disk = await _disk(admin)
        if disk is None:
            say("not tried: a full disk, as only root may mount a small one")
        database = _Database(fleet, admin, disk)
        provider = _Provider(fleet)
        yield [
            State(
                "a database that only reads",
                database.read_only,
                database.writable,
                database.unreported("DATABASE_READ_ONLY"),
            ),
            State(
                "a slow database",
                database.slow,
                database.unlock,
                database.unreported("DATABASE_SLOW"),
            ),
            *(
                [
                    State(
                        "a full database",
                        database.full,
                        database.free_space,
                        database.unreported("DATABASE_FULL"),
                    )
                ]
                if disk is not None
                else []
            ),
            State(
                "a provider that requests a pause of a day",
                provider.fails(status=429, headers=DAY),
                provider.recover,
                provider.unreported("accepts no calls"),
            ),
            State(
                "a provider that sends a gzip bomb",
                provider.fails(status=200, bomb_mb=200),
                provider.recover,
                provider.unreported(None),
            ),
            State(
                "a provider that never responds",
                provider.fails(delay_seconds=3600),
                provider.recover,
                provider.unreported("does not answer"),
            ),
        ]
        if disk is not None:
            await database.move("pg_default")
            await admin.execute("drop tablespace small")
    finally:
        await admin.close()
        if disk is not None:
            await _command("umount", "-l", str(disk))
            shutil.rmtree(disk, ignore_errors=True)


async def _command(*words: str) -> bool:
    with suppress(FileNotFoundError):
        done = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        return await done.wait() == 0
    return False


async def _disk(admin: "asyncpg.Connection[asyncpg.Record]") -> Path | None:
    """A small disk with a tablespace that holds the tables; None if it can't be mounted."""
    folder = tempfile.mkdtemp(prefix="esimgo-disk-")
    if not await _command("mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", folder):
        shutil.rmtree(folder)
        return None
    place = _folder_for_postgres(folder, await admin.fetchval("show data_directory"))
    await admin.execute(f"create tablespace small location '{place}'")
    return Path(folder)


def _folder_for_postgres(folder: str, data: str) -> str:
    """Create a folder on it with the owner of PostgreSQL's data."""
    owner, place = Path(data).stat(), Path(folder) / "tables"
    place.mkdir()
    for path in (folder, place):
        os.chown(path, owner.st_uid, owner.st_gid)
    return str(place)


class _Database:
    def __init__(
        self, fleet: Fleet, admin: "asyncpg.Connection[asyncpg.Record]", disk: Path | None
    ) -> None:
        self._fleet = fleet
        self._admin = admin
        self._disk = disk
        self._locks: Any = None

    async def _set(self, setting: str) -> None:
        await self._admin.execute(f"alter system {setting}")
        await self._admin.execute("select pg_reload_conf()")

    async def read_only(self) -> None:
        await self._set("set default_transaction_read_only = on")

    async def writable(self) -> None:
        await self._set("reset default_transaction_read_only")

    async def slow(self) -> None:
        """Lock the tables, with a short statement timeout."""
        while self._locks is None:
            transaction = self._admin.transaction()
            await transaction.start()
            try:
                for table in HOT:
                    await self._admin.execute(f"lock table {table} in access exclusive mode")
                self._locks = transaction
            except asyncpg.DeadlockDetectedError:  # with the running load
                await transaction.rollback()
        await self._on_other_connection(
            f"alter system set statement_timeout = '{STATEMENT_TIMEOUT}'"
        )

    async def unlock(self) -> None:
        await self._on_other_connection("alter system reset statement_timeout")
        await self._locks.rollback()
        self._locks = None

    async def _on_other_connection(self, statement: str) -> None:
        """Execute on another connection, as this one's transaction holds the locks."""
        async with self._fleet.machine.database() as other:
            await other.execute("set statement_timeout = 0")
            await other.execute(statement)
            await other.execute("select pg_reload_conf()")

    async def move(self, tablespace: str) -> None:
        for row in await self._admin.fetch(TABLES):
            while True:
                with suppress(asyncpg.DeadlockDetectedError):
                    await self._admin.execute(
                        f"alter table {row['name']} set tablespace {tablespace}"
                    )
                    break

    async def full(self) -> None:
        """Fill the disk that holds the tables."""
        assert self._disk is not None
        await self.move("small")
        await asyncio.to_thread(_fill, self._disk / "other-data")

    async def free_space(self) -> None:
        assert self._disk is not None
        (self._disk / "other-data").unlink()

    def unreported(self, reason: str) -> Callable[[], Awaitable[list[str]]]:
        async def missing() -> list[str]:
            fleet = self._fleet
            found = []
            ready = await _json(fleet, "webhooks", "/readyz")
            if ready.get("database") != reason:
                found.append(f"/readyz of the webhooks reports {ready}")
            services = (await _json(fleet, "gateway", "/readyz")).get("services", {})
            if services.get("orders") != "DATABASE_TAKES_NO_WRITES":
                found.append(f"/readyz of the gateway reports {services}")
            found += await _not_reported(
                fleet, db_health.NAME, r"esimgo_db_writable\S* 0", "orders"
            )
            settings: Any = SimpleNamespace(database_url=fleet.machine.database_url)
            finding = await neighbours.database(settings, None, running=True)
            if finding.remedy is None or reason not in finding.text:
                found.append(f"doctor reports {finding.text}")
            return found

        return missing


class _Provider:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def fails(self, **how: Any) -> Callable[[], Awaitable[None]]:
        async def begin() -> None:
            fault = {"method": "*", "path": "/*", "count": 0, **how}
            await self._fleet.machine.control("POST", "/faults", fault)

        return begin

    async def recover(self) -> None:
        await self._fleet.machine.control("DELETE", "/faults")

    def unreported(self, doctor_text: str | None) -> Callable[[], Awaitable[list[str]]]:
        """`doctor_text` is part of the doctor's text; None if only services detect the state."""

        async def missing() -> list[str]:
            fleet = self._fleet
            metric = r"esimgo_provider_(circuit\S* 2|held_seconds\S* [1-9])"
            found = await _not_reported(fleet, provider_health.NAME, metric, "orders")
            values = {
                "ESIM_GO_BASE_URL": f"{fleet.machine.sandbox_url}/v2.5",
                "ESIM_GO_API_KEY": fleet.machine.api_key,
            }
            findings = await neighbours.provider(fleet.machine.http, values)
            texts = [finding.text for finding in findings if finding.remedy is not None]
            if doctor_text is not None and not any(doctor_text in text for text in texts):
                found.append(f"doctor reports {[finding.text for finding in findings]}")
            return found

        return missing


async def _not_reported(fleet: Fleet, part: str, metric: str, name: str) -> list[str]:
    """Return what a service's health, which the doctor reads, and its metrics don't report."""
    found = []
    for replica in fleet.replicas[name]:
        if await probes.rpc(_address(fleet, replica), part=part):
            found.append(f"the health of {replica.name} reports that its {part} is healthy")
        async with fleet.machine.http.get(replica.metrics) as response:
            text = await response.text()
        if not re.search(rf"^{metric}", text, re.MULTILINE):
            found.append(f"the metrics of {replica.name} don't report it")
    return found


def _address(fleet: Fleet, replica: Replica) -> str:
    return f"{replica.host}:{fleet.port(replica.process.name)}"


async def _json(fleet: Fleet, name: str, path: str) -> dict[str, Any]:
    async with fleet.machine.http.get(f"http://{fleet.address(name)}{path}") as response:
        return dict(await response.json())


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"\0" * 65_536):
            pass
