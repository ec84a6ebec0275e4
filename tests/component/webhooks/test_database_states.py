"""Callbacks while the database does not accept writes: refused with a message, accepted after recovery."""

import asyncio

import aiohttp
import pytest

from kit.db import health
from kit.telemetry import metrics
from tests.component.webhooks.conftest import sign
from tests.component.webhooks.full_disk import FULL, HEAL
from tests.component.webhooks.received import BODY, stored
from tests.fixtures.patience import PATIENCE, until
from tests.fixtures.postgres import Databases
from webhooks.__main__ import NEEDS, serve
from webhooks.settings import Settings

READ_ONLY = """
begin;
do $$ begin
    execute format('alter role webhooks_service in database %I set default_transaction_read_only = on',
        current_database());
end $$;
commit;
select pg_terminate_backend(pid) from pg_stat_activity
where usename = 'webhooks_service' and datname = current_database();
"""
WRITABLE = READ_ONLY.replace("= on", "= off")


@pytest.mark.parametrize(
    ("break_it", "mend_it", "reason", "message"),
    [
        (READ_ONLY, WRITABLE, "DATABASE_READ_ONLY", "does not accept writes"),
        (FULL, HEAL, "DATABASE_FULL", "out of disk space"),
    ],
    ids=["read-only", "full"],
)
async def test_a_callback_that_cannot_be_stored_is_not_acknowledged(
    url: str,
    http: aiohttp.ClientSession,
    databases: Databases,
    break_it: str,
    mend_it: str,
    reason: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready = url.replace("/webhooks/esim-go", "/readyz")

    async def send() -> tuple[int, str]:
        async with http.post(url, data=BODY, headers=sign(BODY)) as answer:
            return answer.status, str((await answer.json()).get("error", ""))

    async def says(status: int, why: str | None) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                async with http.get(ready) as answer:
                    body = await answer.json()
                    if (answer.status, body.get("database")) == (status, why):
                        return
                await asyncio.sleep(0.05)

    await says(200, None)
    await databases.admin.execute(break_it)
    await says(503, reason)
    status, error = await send()
    assert status == 503
    assert message in error
    assert await stored(databases) == []
    monkeypatch.setattr(health, "REMEMBERED", 0.0)
    await databases.admin.execute(mend_it)
    await says(200, None)
    assert await send() == (200, "")
    assert len(await stored(databases)) == 1


async def test_a_process_is_ready_once_its_database_is_migrated_and_until_it_stops(
    settings: Settings, databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    delete = "delete from migrations.applied where name = $1 returning digest"
    digest = await databases.admin.fetchval(delete, NEEDS)
    stop, started = asyncio.Event(), asyncio.Event()
    with metrics.separate_registry() as registry:
        running = asyncio.create_task(serve(settings, stop, lambda port: started.set()))
        await until(lambda: "waiting: " in caplog.text)
        assert registry.get_sample_value("esimgo_ready") == 0
        await databases.admin.execute(
            "insert into migrations.applied (name, digest) values ($1, $2)", NEEDS, digest
        )
        async with asyncio.timeout(PATIENCE):
            await started.wait()
        assert registry.get_sample_value("esimgo_ready") == 1
        stop.set()
        await running
        assert registry.get_sample_value("esimgo_ready") == 0
